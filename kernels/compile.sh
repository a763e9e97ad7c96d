#!/usr/bin/env bash
# Compiles every kernel for the compute capabilities named, without a GPU, by the NVRTC
# of a pinned wheel from PyPI and the code that compiles them at run time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=13.5.37
target=${CARGO_TARGET_DIR:-target}
folder=$target/nvrtc-$version

if [[ ! -e $folder/ready ]]; then
    rm -rf "$folder"
    mkdir -p "$folder"
    if ! python3 -m pip --disable-pip-version-check download --quiet --no-deps \
        --only-binary=:all: --dest "$folder" "nvidia-cuda-nvrtc==$version"; then
        echo "libnvrtc $version cannot be had from PyPI here: kernels are not compiled" >&2
        exit 0
    fi
    python3 -m zipfile -e "$folder"/*.whl "$folder"
    rm "$folder"/*.whl
    touch "$folder/ready"
fi

library=$(find "$folder" -name 'libnvrtc.so.*' -print -quit)
LD_LIBRARY_PATH=$(dirname "$library") cargo run --package vicinal-gpu --release --locked --quiet \
    --example compile -- "$@"
