#!/usr/bin/env bash
# Measures searches under filters with the data set wordnet384 on a server of its own:
# recall and rate over gRPC without a filter and with filters that 0.1 % to 99 % of the
# rows pass. Takes about five minutes on two cores; run nothing else meanwhile. Progress
# goes to stderr, the table to stdout.
#
#   VICINAL_DATASETS=DIR benches/filtered.sh [ARGUMENT…]
#
# DIR holds wordnet384.base.f16.npy, wordnet384.query.f16.npy and
# wordnet384.rows.parquet. Arguments go to `vicinal bench filtered`: --clients 8,
# --seconds 6, --rounds 3, --json, --plot FILE.svg. VICINAL names another binary than
# target/release/vicinal; FILTERS another file of filters, METRIC another metric, SCRATCH
# the place of the data.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() { printf 'filtered: %s\n' "$*" >&2; exit 1; }

datasets=${VICINAL_DATASETS:-}
vicinal=${VICINAL:-${CARGO_TARGET_DIR:-target}/release/vicinal}
filters=${FILTERS:-benches/filters.txt}
metric=${METRIC:-cosine}

[[ -n $datasets ]] || fail "set VICINAL_DATASETS to the folder with wordnet384.base.f16.npy"
[[ -x $vicinal ]] || fail "$vicinal is not there: make build, or set VICINAL"
base=$datasets/wordnet384.base.f16.npy
query=$datasets/wordnet384.query.f16.npy
rows=$datasets/wordnet384.rows.parquet
for file in "$base" "$query" "$rows" "$filters"; do
    [[ -f $file ]] || fail "$file is not there"
done
scratch=$(mktemp -d "${SCRATCH:-${TMPDIR:-/tmp}}/vicinal-filtered.XXXXXXXX")
server=
clean_up() {
    if [[ -n $server ]]; then kill -TERM "$server" 2>/dev/null || true; fi
    if [[ -n $server ]]; then wait "$server" 2>/dev/null || true; fi
    rm -rf "$scratch"
}
trap clean_up EXIT

port=$((20000 + RANDOM % 10000))
export VICINAL_ADDRESS=127.0.0.1:$port
export VICINAL_SERVER__ADDRESS=$VICINAL_ADDRESS
export VICINAL_HTTP__ADDRESS=127.0.0.1:$((port + 1))
export VICINAL_STORAGE__DIRECTORY=$scratch/data
"$vicinal" serve >"$scratch/log" 2>&1 &
server=$!
for _ in {1..100}; do
    "$vicinal" list >/dev/null 2>&1 && break
    kill -0 "$server" 2>/dev/null || { cat "$scratch/log" >&2; fail "the server did not start"; }
    sleep 0.1
done

"$vicinal" import -c words --metric "$metric" --columns "$rows" --wait-indexed "$base" >&2
"$vicinal" bench filtered -c words --query "$query" --filters "$filters" "$@"
