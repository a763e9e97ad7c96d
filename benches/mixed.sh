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
# shellcheck source=benches/stage.sh
source benches/stage.sh

name=${1:-sift1m}
rows=${ROWS:-400000}
rate=${RATE:-1000}
clients=${CLIENTS:-8}
effort=${EFFORT:-48}
seconds_idle=${SECONDS_IDLE:-30}
seconds_mixed=${SECONDS_MIXED:-600}

set_stage "$name.base.u8.npy[.zst]"
find_base "$name"
query=$datasets/$name.query.u8.npy
need_files "$query"

# Searches for so many seconds and prints a row of the table.
measure() {
    "$vicinal" bench load --collection "$name" --query "$query" --k 10 \
        --effort "$effort" --clients "$clients" --seconds "$2" --json >"$scratch/load"
    printf '| %s | %s | %s | %s |\n' "$1" "$(field qps <"$scratch/load")" \
        "$(field p50_us <"$scratch/load")" "$(field p99_us <"$scratch/load")"
}

start data
say "importing $rows rows"
"$vicinal" import -c "$name" --metric l2 --element f32 --limit "$rows" \
    --wait-indexed --json "$base" >/dev/null
settle

printf '%s, %s clients, effort %s, %s rows and %s rows/s\n\n' "$(setting)" "$clients" "$effort" "$rows" "$rate"
printf '| server | queries/s | p50 µs | p99 µs |\n|---|---:|---:|---:|\n'
say "idle"
measure "idle, before" "$seconds_idle"
say "with the writer"
limit=$((rows + rate * (seconds_mixed + 5)))
"$vicinal" import -c "$name" --limit "$limit" --rate "$rate" \
    --batch-rows 100 --json "$base" >"$scratch/import" 2>&1 &
writer=$!
# Until it has found out which rows are there.
sleep 5
measure "with $rate rows/s" "$seconds_mixed"
wait "$writer" || fail "the writer failed: $(tail -n 3 "$scratch/import")"
writer=
say "the writer sent $(field rows_per_s <"$scratch/import") rows/s"
"$vicinal" flush -c "$name" --wait-indexed >/dev/null
settle
say "idle again"
measure "idle, with the rows written" "$seconds_idle"
