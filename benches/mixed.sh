#!/usr/bin/env bash
# Measures searches of a server of its own while rows are inserted at a fixed rate:
# first idle, then with the writer, then idle again with the rows it wrote. Takes the
# import of the base and about SECONDS_MIXED seconds; run nothing else meanwhile.
# Progress goes to stderr, a Markdown table to stdout.
#
#   VICINAL_DATASETS=DIR benches/mixed.sh [NAME=sift1m]
#
# DIR holds NAME.base.u8.npy (or the same with .zst) and NAME.query.u8.npy. The first
# ROWS rows are loaded, the others inserted at RATE rows a second. CLIENTS, EFFORT,
# SECONDS_IDLE and SECONDS_MIXED change the load; VICINAL names another binary than
# target/release/vicinal, SCRATCH the place of the data.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() { printf 'mixed: %s\n' "$*" >&2; exit 1; }
say() { printf 'mixed: %s\n' "$*" >&2; }

datasets=${VICINAL_DATASETS:-}
name=${1:-sift1m}
vicinal=${VICINAL:-${CARGO_TARGET_DIR:-target}/release/vicinal}
rows=${ROWS:-400000}
rate=${RATE:-1000}
clients=${CLIENTS:-8}
effort=${EFFORT:-48}
seconds_idle=${SECONDS_IDLE:-30}
seconds_mixed=${SECONDS_MIXED:-600}

[[ -n $datasets ]] || fail "set VICINAL_DATASETS to the folder with $name.base.u8.npy[.zst]"
[[ -x $vicinal ]] || fail "$vicinal is not there: make build, or set VICINAL"
scratch=$(mktemp -d "${SCRATCH:-${TMPDIR:-/tmp}}/vicinal-mixed.XXXXXXXX")
server=
writer=
clean_up() {
    if [[ -n $writer ]]; then kill -KILL "$writer" 2>/dev/null || true; fi
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
[[ -f $base && -f $query ]] || fail "VICINAL_DATASETS must hold the data set $name"

port=$((20000 + RANDOM % 10000))
address=127.0.0.1:$port
export VICINAL_STORAGE__DIRECTORY=$scratch/data
export VICINAL_SERVER__ADDRESS=$address
export VICINAL_HTTP__ADDRESS=127.0.0.1:$((port + 1))

field() { tr -d '\n' | sed -n 's/.*"'"$1"'": *"\{0,1\}\([^",}]*\).*/\1/p'; }

# Searches for so many seconds and prints a row of the table.
measure() {
    "$vicinal" bench load --address "$address" --collection "$name" --query "$query" --k 10 \
        --effort "$effort" --clients "$clients" --seconds "$2" --json >"$scratch/load"
    printf '| %s | %s | %s | %s |\n' "$1" "$(field qps <"$scratch/load")" \
        "$(field p50_us <"$scratch/load")" "$(field p99_us <"$scratch/load")"
}

# Waits until no merge runs or waits, so that idle is idle.
settle() {
    local waited
    for ((waited = 0; waited < 600; waited++)); do
        "$vicinal" stats --address "$address" --json >"$scratch/stats"
        if [[ $(field merges_running <"$scratch/stats") == 0 ]] \
            && [[ $(field merges_queued <"$scratch/stats") == 0 ]]; then
            return
        fi
        sleep 1
    done
    fail "merges went on for ten minutes"
}

"$vicinal" serve >>"$scratch/log" 2>&1 &
server=$!
for ((waited = 0; waited < 500; waited++)); do
    if "$vicinal" stats --address "$address" >/dev/null 2>&1; then break; fi
    sleep 0.02
done
say "importing $rows rows"
"$vicinal" import --address "$address" -c "$name" --metric l2 --element f32 --limit "$rows" \
    --wait-indexed --json "$base" >/dev/null
settle

printf '%s, %s cores, %s, %s clients, effort %s, %s rows and %s rows/s\n\n' "$(date -u +%F)" \
    "$(nproc)" "$("$vicinal" --version)" "$clients" "$effort" "$rows" "$rate"
printf '| server | queries/s | p50 µs | p99 µs |\n|---|---:|---:|---:|\n'
say "idle"
measure "idle, before" "$seconds_idle"
say "with the writer"
limit=$((rows + rate * (seconds_mixed + 5)))
"$vicinal" import --address "$address" -c "$name" --limit "$limit" --rate "$rate" \
    --batch-rows 100 --json "$base" >"$scratch/import" 2>&1 &
writer=$!
# Until it has found out which rows are there.
sleep 5
measure "with $rate rows/s" "$seconds_mixed"
wait "$writer" || fail "the writer failed: $(tail -n 3 "$scratch/import")"
writer=
say "the writer sent $(field rows_per_s <"$scratch/import") rows/s"
"$vicinal" flush --address "$address" -c "$name" --wait-indexed >/dev/null
settle
say "idle again"
measure "idle, with the rows written" "$seconds_idle"
