#!/usr/bin/env bash
# Installs what building Vicinal needs beside Rust, on Debian 12, Ubuntu 22.04 and
# later. Does nothing, quickly, when everything is there. Run by `make deps`.
#
#   deploy/install-deps.sh [--faiss]
#
# --faiss: also what the feature `faiss` needs, on Debian 12, Ubuntu 24.04 and later.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# What each is for: a C compiler and linker (zstd, the final link), a C++ compiler (the
# tests of kernels/), make (this tree's commands), pkg-config (finds hwloc), hwloc and
# libudev (which cores share a memory).
packages=(gcc g++ libc6-dev make pkg-config libhwloc-dev libudev-dev)
# faiss: cmake 3.24 and BLAS.
faiss_packages=(cmake libopenblas-dev)
case ${1:-} in
    '') ;;
    --faiss) packages+=("${faiss_packages[@]}") ;;
    *) printf 'deps: unknown option %s; there is --faiss\n' "$1" >&2; exit 1 ;;
esac

say() { printf 'deps: %s\n' "$*"; }
fail() { printf 'deps: %s\n' "$*" >&2; exit 1; }

missing_packages() {
    local package state
    for package in "${packages[@]}"; do
        state=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
        # pkgconf stands in for pkg-config on newer systems.
        if [[ $package == pkg-config && $state != installed ]] && command -v pkg-config >/dev/null; then
            continue
        fi
        [[ $state == installed ]] || printf '%s\n' "$package"
    done
}

install_packages() {
    local missing=("$@") as_root=()
    if ((EUID != 0)); then
        if ! command -v sudo >/dev/null; then
            fail "${missing[*]} missing, and neither root nor sudo here: have somebody run: apt-get install ${missing[*]}"
        fi
        as_root=(sudo)
    fi
    say "missing: ${missing[*]}; installing with ${as_root[*]:+sudo }apt-get"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq </dev/null \
        || say "apt-get update failed; trying with the package lists that are here"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null \
        || fail "apt-get could not install ${missing[*]}: see its message above"
    say "installed: ${missing[*]}"
}

# rustup gets the toolchain that rust-toolchain.toml pins; some versions of it
# only do so when asked.
install_toolchain() {
    local channel found
    command -v cargo >/dev/null || fail "cargo is missing: install Rust with rustup, then run this again"
    command -v rustup >/dev/null || return 0
    [[ -z ${RUSTUP_TOOLCHAIN:-} ]] || return 0
    channel=$(sed -n 's/^channel = "\(.*\)"$/\1/p' rust-toolchain.toml)
    found=$(compgen -G "${RUSTUP_HOME:-$HOME/.rustup}/toolchains/$channel-*/bin/cargo-clippy" || true)
    [[ -z $found ]] || return 0
    say "installing the Rust toolchain $channel"
    rustup toolchain install "$channel" --profile minimal --component clippy --component rustfmt \
        || fail "rustup could not install the toolchain $channel: see its message above"
}

if command -v dpkg-query >/dev/null; then
    read -r -a missing <<<"$(missing_packages | tr '\n' ' ')"
    ((${#missing[@]} == 0)) || install_packages "${missing[@]}"
elif ! pkg-config --exists hwloc 2>/dev/null; then
    fail "not a Debian or Ubuntu system: install gcc, g++, make, pkg-config and the headers of hwloc 2 by hand"
elif [[ ${1:-} == --faiss ]]; then
    say "not a Debian or Ubuntu system: faiss also needs cmake 3.24 and OpenBLAS"
fi
install_toolchain
