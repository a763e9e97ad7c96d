#!/usr/bin/env bash
# Measures a server of its own with the sift1m data set: import with every batch
# synced, indexing, search under load, restart, memory. Takes 5 to 10 minutes on
# two cores; run nothing else meanwhile. Progress goes to stderr, a Markdown table
# to stdout.
#
#   VICINAL_DATASETS=DIR benches/measure.sh [NAME=sift1m]
#
# DIR holds NAME.base.u8.npy (or the same with .zst), NAME.query.u8.npy and
# NAME.truth.i32.npy. VICINAL names another binary than target/release/vicinal;
# CLIENTS, EFFORTS and SECONDS_EACH change the load, SCRATCH the place of the data.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() { printf 'measure: %s\n' "$*" >&2; exit 1; }
say() { printf 'measure: %s\n' "$*" >&2; }
row() { printf '| %s | %s |\n' "$1" "$2"; }

datasets=${VICINAL_DATASETS:-}
name=${1:-sift1m}
vicinal=${VICINAL:-${CARGO_TARGET_DIR:-target}/release/vicinal}
clients=${CLIENTS:-8}
efforts=${EFFORTS:-16 32 48 64 96 128}
seconds_each=${SECONDS_EACH:-10}

[[ -n $datasets ]] || fail "set VICINAL_DATASETS to the folder with $name.base.u8.npy[.zst]"
[[ -x $vicinal ]] || fail "$vicinal is not there: make build, or set VICINAL"
scratch=$(mktemp -d "${SCRATCH:-${TMPDIR:-/tmp}}/vicinal-measure.XXXXXXXX")
server=
clean_up() {
    if [[ -n $server ]]; then kill -KILL "$server" 2>/dev/null || true; fi
    rm -rf "$scratch"
}
trap clean_up EXIT

base=$datasets/$name.base.u8.npy
if [[ ! -f $base && -f $base.zst ]]; then
    command -v zstd >/dev/null || fail "$base.zst must be unpacked and zstd is missing: apt-get install zstd"
    say "unpacking $base.zst"
    zstd -q -d "$base.zst" -o "$scratch/base.npy"
    base=$scratch/base.npy
fi
query=$datasets/$name.query.u8.npy
truth=$datasets/$name.truth.i32.npy
for file in "$base" "$query" "$truth"; do
    [[ -f $file ]] || fail "$file is not there: VICINAL_DATASETS must hold the data set $name"
done

port=$((20000 + RANDOM % 10000))
address=127.0.0.1:$port
export VICINAL_STORAGE__DIRECTORY=$scratch/data
export VICINAL_SERVER__ADDRESS=$address
export VICINAL_HTTP__ADDRESS=127.0.0.1:$((port + 1))

# Prints one value of JSON on standard input.
field() { tr -d '\n' | sed -n 's/.*"'"$1"'": *"\{0,1\}\([^",}]*\).*/\1/p'; }

# Prints the nearest ids of the first query, whatever else the answer says.
first_answer() {
    "$vicinal" search --address "$address" -c "$name" --file "$query" --row 0 -k 10 --json \
        | tr -d ' \n' | grep -o '"ids\{0,1\}":\(\[[^]]*\]\|[^,}]*\)'
}

# Starts the server and prints the milliseconds until it answers.
start() {
    local began=${EPOCHREALTIME/./} waited
    "$vicinal" serve >>"$scratch/log" 2>&1 &
    server=$!
    for ((waited = 0; waited < 3000; waited++)); do
        if "$vicinal" stats --address "$address" >/dev/null 2>&1; then
            took_ms=$(((${EPOCHREALTIME/./} - began) / 1000))
            return
        fi
        kill -0 "$server" 2>/dev/null || break
        sleep 0.02
    done
    fail "the server did not start: $(tail -n 3 "$scratch/log")"
}

stop() {
    kill -TERM "$server"
    wait "$server" || fail "the server ended with $?: $(tail -n 3 "$scratch/log")"
    server=
}

memory() { "$vicinal" stats --address "$address" >"$scratch/stats.$1"; }

printf '%s, %s cores, %s, %s\n\n' "$(date -u +%F)" "$(nproc)" \
    "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$("$vicinal" --version)"
printf '| measured | value |\n|---|---|\n'

start
row "start with nothing" "$took_ms ms"
memory idle

say "importing"
"$vicinal" import --address "$address" -c "$name" --metric l2 --element f32 --wait-indexed --json \
    "$base" >"$scratch/import"
for key in rows seconds rows_per_s indexed_s; do row "import: $key" "$(field "$key" <"$scratch/import")"; done
"$vicinal" describe --address "$address" -c "$name" >"$scratch/describe"
memory loaded

for effort in $efforts; do
    say "load at effort $effort"
    "$vicinal" bench load --address "$address" --collection "$name" --query "$query" --truth "$truth" \
        --k 10 --effort "$effort" --clients "$clients" --seconds "$seconds_each" --json >"$scratch/load"
    row "$clients clients, effort $effort" "recall@10 $(field recall <"$scratch/load"), $(
        field qps <"$scratch/load") queries/s, p50 $(field p50_us <"$scratch/load") µs, p99 $(
        field p99_us <"$scratch/load") µs"
done
memory searched

before=$(first_answer)
stop
start
after=$(first_answer)
[[ $before == "$after" ]] || fail "after the restart the first search found $after, before it $before"
row "restart until it answers, first search as before" "$took_ms ms"
memory restarted
stop

block() { printf '\n%s:\n\n~~~\n%s\n~~~\n' "$1" "$(cat "$2")"; }
for moment in idle loaded searched restarted; do
    block "vicinal stats, $moment" "$scratch/stats.$moment"
done
block "vicinal describe" "$scratch/describe"
