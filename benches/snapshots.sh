#!/usr/bin/env bash
# Measures a snapshot to a directory and its restore into an empty server: megabytes a
# second, beside what the disk writes in the same run, and that answers are the same.
# Takes about four minutes on two cores; run nothing else meanwhile. Progress goes to
# stderr, a Markdown table to stdout.
#
#   VICINAL_DATASETS=DIR benches/snapshots.sh [NAME=sift1m]
#
# DIR holds NAME.base.u8.npy (or the same with .zst) and NAME.query.u8.npy. ROWS changes
# the load; VICINAL names another binary than target/release/vicinal, SCRATCH the place
# of the data.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() { printf 'snapshots: %s\n' "$*" >&2; exit 1; }
say() { printf 'snapshots: %s\n' "$*" >&2; }

datasets=${VICINAL_DATASETS:-}
name=${1:-sift1m}
vicinal=${VICINAL:-${CARGO_TARGET_DIR:-target}/release/vicinal}
rows=${ROWS:-1000000}

[[ -n $datasets ]] || fail "set VICINAL_DATASETS to the folder with $name.base.u8.npy[.zst]"
[[ -x $vicinal ]] || fail "$vicinal is not there: make build, or set VICINAL"
scratch=$(mktemp -d "${SCRATCH:-${TMPDIR:-/tmp}}/vicinal-snapshots.XXXXXXXX")
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
[[ -f $base && -f $query ]] || fail "VICINAL_DATASETS must hold the data set $name"

port=$((20000 + RANDOM % 10000))
export VICINAL_ADDRESS=127.0.0.1:$port
export VICINAL_SERVER__ADDRESS=$VICINAL_ADDRESS
export VICINAL_HTTP__ADDRESS=127.0.0.1:$((port + 1))
export VICINAL_SNAPSHOTS__STORE=file://$scratch/store

start() {
    export VICINAL_STORAGE__DIRECTORY=$scratch/$1
    "$vicinal" serve >>"$scratch/log" 2>&1 &
    server=$!
    local waited
    for ((waited = 0; waited < 500; waited++)); do
        if "$vicinal" stats >/dev/null 2>&1; then return; fi
        sleep 0.02
    done
    fail "the server did not start: $(tail -n 3 "$scratch/log")"
}

stop() {
    kill -TERM "$server"
    wait "$server" || fail "the server ended with $?: $(tail -n 3 "$scratch/log")"
    server=
}

field() { tr -d '\n' | sed -n 's/.*"'"$1"'": *"\{0,1\}\([^",}]*\).*/\1/p'; }

answers() {
    local row
    for row in 0 1 2 3 4 5 6 7 8 9; do
        "$vicinal" search -c "$name" --file "$query" --row "$row" -k 100 --json | sed 's/"took[^,}]*[,}]//g'
    done
}

# Runs a command and prints a row of the table: its rate over so many bytes.
timed() {
    local what=$1 bytes=$2 began=${EPOCHREALTIME/./} took
    shift 2
    "$@" >"$scratch/said"
    took=$((${EPOCHREALTIME/./} - began))
    printf '| %s | %.2f | %s |\n' "$what" "$(awk -v us="$took" 'BEGIN { print us / 1e6 }')" \
        "$(awk -v us="$took" -v bytes="$bytes" 'BEGIN { printf "%.0f", bytes / us }')"
}

start first
say "importing $rows rows"
"$vicinal" import -c "$name" --metric l2 --element f32 --limit "$rows" --wait-indexed --json "$base" >/dev/null
for _ in {1..600}; do
    "$vicinal" stats --json >"$scratch/stats"
    [[ $(field merges_running <"$scratch/stats")$(field merges_queued <"$scratch/stats") == 00 ]] && break
    sleep 1
done
bytes=$("$vicinal" stats --json | field file_bytes)
answers >"$scratch/before"

printf '%s, %s cores, %s, %s rows, %s bytes\n\n' "$(date -u +%F)" "$(nproc)" "$("$vicinal" --version)" "$rows" "$bytes"
printf '| measured | s | MB/s |\n|---|---:|---:|\n'
timed "dd, a gigabyte with one sync" 1073741824 \
    dd if=/dev/zero of="$scratch/zeros" bs=8M count=128 conv=fdatasync status=none
rm "$scratch/zeros"
say "taking a snapshot"
timed "snapshot" "$bytes" "$vicinal" snapshot create -c "$name" --json
id=$(field snapshot <"$scratch/said")
timed "a second one, nothing new" "$bytes" "$vicinal" snapshot create -c "$name" --json
timed "verify" "$bytes" "$vicinal" snapshot verify "$id" --json
stop
start second
say "restoring it"
timed "restore into an empty server" "$bytes" "$vicinal" snapshot restore "$id" --json
answers >"$scratch/after"
cmp -s "$scratch/before" "$scratch/after" || fail "answers differ after the restore"
stop
printf '\nTen answers of 100 rows each are the same before and after.\n'
