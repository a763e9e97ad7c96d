#!/usr/bin/env bash
# Holds the kernels against the CPU on a machine with a GPU and times them, beside torch,
# cuVS and faiss where Python has them. Needs a built binary and nothing else.
#
#   benches/gpu/run.sh [arguments of `vicinal bench gpu`]
#
# VICINAL is the binary: target/release/vicinal. Exit code 3: there is no GPU.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

vicinal=${VICINAL:-${CARGO_TARGET_DIR:-target}/release/vicinal}
"$vicinal" bench gpu "$@"
if command -v python3 >/dev/null; then
    python3 benches/gpu/others.py
fi
