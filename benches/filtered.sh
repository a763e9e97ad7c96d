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
# shellcheck source=benches/stage.sh
source benches/stage.sh

filters=${FILTERS:-benches/filters.txt}
metric=${METRIC:-cosine}

set_stage wordnet384.base.f16.npy
base=$datasets/wordnet384.base.f16.npy
query=$datasets/wordnet384.query.f16.npy
rows=$datasets/wordnet384.rows.parquet
need_files "$base" "$query" "$rows" "$filters"

start data
"$vicinal" import -c words --metric "$metric" --columns "$rows" --wait-indexed "$base" >&2
"$vicinal" bench filtered -c words --query "$query" --filters "$filters" "$@"
