#!/usr/bin/env bash
# What a measurement needs, sourced by the scripts beside it: the binary, words for the
# user, and a server of its own in a directory that goes with it.
set -euo pipefail

bench=$(basename "${BASH_SOURCE[1]}" .sh)
vicinal=${VICINAL:-${CARGO_TARGET_DIR:-$(dirname "${BASH_SOURCE[0]}")/../target}/release/vicinal}

fail() { printf '%s: %s\n' "$bench" "$*" >&2; exit 1; }
say() { printf '%s: %s\n' "$bench" "$*" >&2; }

need_vicinal() { [[ -x $vicinal ]] || fail "$vicinal is not there: make build, or set VICINAL"; }

# Finds the data sets, of which $1 is a file, makes the directory $scratch, and gives the
# server to come its ports. What runs as $server or $writer in the end is killed.
set_stage() {
    datasets=${VICINAL_DATASETS:-}
    [[ -n $datasets ]] || fail "set VICINAL_DATASETS to the folder with $1"
    need_vicinal
    scratch=$(mktemp -d "${SCRATCH:-${TMPDIR:-/tmp}}/vicinal-$bench.XXXXXXXX")
    server='' writer=''
    trap clear_stage EXIT
    local port=$((20000 + RANDOM % 10000))
    export VICINAL_ADDRESS=127.0.0.1:$port
    export VICINAL_SERVER__ADDRESS=$VICINAL_ADDRESS
    export VICINAL_HTTP__ADDRESS=127.0.0.1:$((port + 1))
}

clear_stage() {
    local child
    for child in $writer $server; do
        kill -KILL "$child" 2>/dev/null || true
        wait "$child" 2>/dev/null || true
    done
    rm -rf "$scratch"
}

# Fails unless all of these are files.
need_files() {
    local file
    for file in "$@"; do [[ -f $file ]] || fail "$file is not there"; done
}

# Makes the rows of the data set $1 the file $base.
find_base() {
    base=$datasets/$1.base.u8.npy
    if [[ ! -f $base && -f $base.zst ]]; then
        command -v zstd >/dev/null || fail "$base.zst must be unpacked and zstd is missing: apt-get install zstd"
        say "unpacking $base.zst"
        zstd -q -d "$base.zst" -o "$scratch/base.npy"
        base=$scratch/base.npy
    fi
    [[ -f $base ]] || fail "$base is not there: VICINAL_DATASETS must hold the data set $1"
}

# Starts the server on $scratch/$1 and waits until it answers, $took_ms milliseconds.
start() {
    local began=${EPOCHREALTIME/./} waited
    export VICINAL_STORAGE__DIRECTORY=$scratch/$1
    "$vicinal" serve >>"$scratch/log" 2>&1 &
    server=$!
    for ((waited = 0; waited < 3000; waited++)); do
        if "$vicinal" stats >/dev/null 2>&1; then
            # shellcheck disable=SC2034 # for who sources this
            took_ms=$(((${EPOCHREALTIME/./} - began) / 1000))
            return
        fi
        kill -0 "$server" 2>/dev/null || break
        sleep 0.02
    done
    fail "the server did not start: $(tail -n 3 "$scratch/log")"
}

stop() {
    kill -TERM "$server"
    wait "$server" || fail "the server ended with $?: $(tail -n 3 "$scratch/log")"
    server=''
}

# Waits until no merge runs or waits, so that idle is idle.
settle() {
    local waited
    for ((waited = 0; waited < 600; waited++)); do
        "$vicinal" stats --json >"$scratch/stats"
        [[ $(field merges_running <"$scratch/stats")$(field merges_queued <"$scratch/stats") == 00 ]] \
            && return
        sleep 1
    done
    fail "merges went on for ten minutes"
}

# Prints one value of JSON on standard input.
field() { tr -d '\n' | sed -n 's/.*"'"$1"'": *"\{0,1\}\([^",}]*\).*/\1/p'; }

# Prints the day, the cores and the program.
setting() { printf '%s, %s cores, %s' "$(date -u +%F)" "$(nproc)" "$("$vicinal" --version)"; }
