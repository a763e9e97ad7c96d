#!/usr/bin/env bash
# Measures how a server of its own comes back from updates: ROWS rows are loaded, a
# fifth of them replaced twice, and every second one deleted. Searches are compared with
# exact ones all the while; the table says when disk use is back at 1.3 times that of a
# fresh load of as many rows, and what searches come to then beside that load. Takes
# about ten minutes on two cores; run nothing else meanwhile. Progress goes to stderr, a
# Markdown table to stdout.
#
#   VICINAL_DATASETS=DIR benches/updates.sh [NAME=sift1m]
#
# DIR holds NAME.base.u8.npy (or the same with .zst) and NAME.query.u8.npy. ROWS,
# DIMENSION and CLIENTS change the load; VICINAL names another binary than
# target/release/vicinal, SCRATCH the place of the data.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=benches/stage.sh
source benches/stage.sh

name=${1:-sift1m}
rows=${ROWS:-1000000}
dimension=${DIMENSION:-128}
clients=${CLIENTS:-8}
# Rows of one update.
step=250000

set_stage "$name.base.u8.npy[.zst]"
find_base "$name"
query=$datasets/$name.query.u8.npy
need_files "$query"
printf 'all id >= 0\n' >"$scratch/filters"

# Starts the server on a directory and declares the collection there.
begin() {
    start "$1"
    cat >"$scratch/collection.yaml" <<YAML
collection: $name
vectors:
  - {name: vector, dimension: $dimension, element: f32, metric: l2}
columns:
  - {name: round, type: int64, nullable: true}
YAML
    "$vicinal" apply -f "$scratch/collection.yaml" >/dev/null
}

load() { "$vicinal" import -c "$name" --limit "$1" --wait-indexed --json "$base" >/dev/null; }
disk() { du -sb "$scratch/$1" | cut -f1; }

# Searches for some seconds: a row of the table with recall and rate.
searches() {
    "$vicinal" bench filtered -c "$name" --query "$query" --filters "$scratch/filters" \
        --clients "$clients" --seconds "$2" --rounds 1 --json >"$scratch/searches"
    grep '"unfiltered"' "$scratch/searches" >"$scratch/search"
    qps=$(field qps <"$scratch/search")
    printf '| %s | %s | %s | %s |\n' "$1" "$(field recall <"$scratch/search")" "$qps" "$(disk "$where")"
}

printf '%s, %s rows\n\n' "$(setting)" "$rows"
printf '| %s rows | recall@10 against an exact search | queries/s | bytes on disk |\n' "$rows"
printf '|---|---:|---:|---:|\n'

where=fresh
begin fresh
say "loading $((rows / 2)) rows, to compare with"
load $((rows / 2))
settle
searches "a fresh load of half of them" 10
fresh_qps=$qps
fresh_bytes=$(disk fresh)
stop
rm -rf "$scratch/fresh"

where=data
begin data
say "loading $rows rows"
load "$rows"
searches "all of them, loaded" 5
for round in 1 2; do
    say "replacing a fifth of the rows, round $round"
    for ((from = 0; from < rows; from += step)); do
        "$vicinal" update -c "$name" --set "round=$round" \
            --filter "id % 5 = 0 and id >= $from and id < $((from + step))" >/dev/null
    done
    searches "a fifth replaced, round $round" 5
done
say "deleting every second row"
"$vicinal" delete -c "$name" --filter "id % 2 = 1" >/dev/null
began=$EPOCHSECONDS
searches "every second one deleted" 3
left=$("$vicinal" count -c "$name" --json | field rows)
[[ $left == "$((rows / 2))" ]] || fail "$left rows are left, not $((rows / 2))"
back=
for ((waited = 0; waited < 300; waited++)); do
    if (($(disk data) * 10 <= fresh_bytes * 13)); then
        back=$((EPOCHSECONDS - began))
        break
    fi
    sleep 1
done
settle
settled=$((EPOCHSECONDS - began))
searches "after $settled s, merged" 10
stop
printf '\nDisk use at 1.3 times that of the fresh load or below %s after the deletion; merges ended %s s after it; %s %% of the fresh load'"'"'s queries/s.\n' \
    "$( [[ -n $back ]] && echo "$back s" || echo "not within five minutes" )" "$settled" \
    "$(awk -v a="$qps" -v b="$fresh_qps" 'BEGIN { printf "%.0f", 100 * a / b }')"
