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
# shellcheck source=benches/stage.sh
source benches/stage.sh

name=${1:-sift1m}
rows=${ROWS:-1000000}

set_stage "$name.base.u8.npy[.zst]"
find_base "$name"
query=$datasets/$name.query.u8.npy
need_files "$query"
export VICINAL_SNAPSHOTS__STORE=file://$scratch/store

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
settle
bytes=$("$vicinal" stats --json | field file_bytes)
answers >"$scratch/before"

printf '%s, %s rows, %s bytes\n\n' "$(setting)" "$rows" "$bytes"
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
