#!/usr/bin/env bash
# Runs the fuzz targets in libFuzzer, each for some seconds:
#
#   tests/fuzz/run.sh [SECONDS=60] [TARGET]...
#
# Works with the stable compiler: the flags are those that cargo-fuzz gives for
# `--sanitizer none`. What is found in earlier runs is kept below the target folder
# and gone on from. An input that fails is written beside it and named; put it into
# tests/fuzz/found/TARGET/ when what it shows is mended.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

seconds=${1:-60}
shift || true
targets=("$@")
((${#targets[@]} > 0)) || targets=(index files scalar engine)

host=$(rustc -vV | sed -n 's/^host: //p')
# Build scripts and macros run in the compiler and are not to count: with --target
# they are built without the flags.
folder=${CARGO_TARGET_DIR:-target}/fuzz
export RUSTFLAGS="--cfg fuzzing \
-Cpasses=sancov-module \
-Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares \
-Cllvm-args=-simplifycfg-branch-fold-threshold=0"
cargo build -p vicinal-fuzz --features fuzz --bins --profile fuzz --locked \
    --target "$host" --target-dir "$folder"

for target in "${targets[@]}"; do
    corpus=$folder/corpus/$target
    mkdir -p "$corpus"
    printf 'fuzzing %s for %s s\n' "$target" "$seconds"
    "$folder/$host/fuzz/$target" -max_total_time="$seconds" -max_len=97 -timeout=30 \
        -rss_limit_mb=4096 -artifact_prefix="$folder/failed-$target-" \
        -print_final_stats=1 -verbosity=0 "$corpus"
done
