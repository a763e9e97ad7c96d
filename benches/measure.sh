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
# shellcheck source=benches/stage.sh
source benches/stage.sh

row() { printf '| %s | %s |\n' "$1" "$2"; }

name=${1:-sift1m}
clients=${CLIENTS:-8}
efforts=${EFFORTS:-16 32 48 64 96 128}
seconds_each=${SECONDS_EACH:-10}

set_stage "$name.base.u8.npy[.zst]"
find_base "$name"
query=$datasets/$name.query.u8.npy
truth=$datasets/$name.truth.i32.npy
need_files "$query" "$truth"

# Prints the nearest ids of the first query, whatever else the answer says.
first_answer() {
    "$vicinal" search -c "$name" --file "$query" --row 0 -k 10 --json \
        | tr -d ' \n' | grep -o '"ids\{0,1\}":\(\[[^]]*\]\|[^,}]*\)'
}

memory() { "$vicinal" stats >"$scratch/stats.$1"; }

printf '%s, %s cores, %s, %s\n\n' "$(date -u +%F)" "$(nproc)" \
    "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$("$vicinal" --version)"
printf '| measured | value |\n|---|---|\n'

start data
row "start with nothing" "$took_ms ms"
memory idle

say "importing"
"$vicinal" import -c "$name" --metric l2 --element f32 --wait-indexed --json \
    "$base" >"$scratch/import"
for key in rows seconds rows_per_s indexed_s; do row "import: $key" "$(field "$key" <"$scratch/import")"; done
"$vicinal" describe -c "$name" >"$scratch/describe"
memory loaded

for effort in $efforts; do
    say "load at effort $effort"
    "$vicinal" bench load --collection "$name" --query "$query" --truth "$truth" \
        --k 10 --effort "$effort" --clients "$clients" --seconds "$seconds_each" --json >"$scratch/load"
    row "$clients clients, effort $effort" "recall@10 $(field recall <"$scratch/load"), $(
        field qps <"$scratch/load") queries/s, p50 $(field p50_us <"$scratch/load") µs, p99 $(
        field p99_us <"$scratch/load") µs"
done
memory searched

before=$(first_answer)
stop
start data
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
