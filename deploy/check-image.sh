#!/usr/bin/env bash
# Checks deploy/Dockerfile as far as that goes without a container engine: what it
# copies is there and suffices, the binary needs no library that the final stage
# lacks, and the final stage's steps work in a clean directory as its user.
# Usage: deploy/check-image.sh VICINAL
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
binary=${1:?usage: deploy/check-image.sh VICINAL, the built binary}
dockerfile=deploy/Dockerfile

say() { printf 'image: %s\n' "$*"; }
fail() { printf 'image: %s\n' "$*" >&2; exit 1; }

[[ -x $binary ]] || fail "$binary is not there: make build"
binary=$(realpath "$binary")
scratch=$(mktemp -d)
server=
clean_up() {
    if [[ -n $server ]]; then kill -KILL "$server" 2>/dev/null || true; fi
    rm -rf "$scratch"
}
trap clean_up EXIT

# The Dockerfile with continued lines joined and comments dropped.
instructions=$(sed -e '/^#/d' -e ':join' -e '/\\$/{N;s/\\\n/ /;b join' -e '}' "$dockerfile")
final_stage=$(awk '/^FROM /{stage=""} {stage=stage $0 "\n"} END{printf "%s", stage}' <<<"$instructions")
build_stage=$(awk '/^FROM /{n++} n==1' <<<"$instructions")

# Prints the last value of an instruction of the final stage.
final() { sed -n "s/^$1 //p" <<<"$final_stage" | tail -n 1; }

# Lays out the build context as the COPY lines of a stage do.
lay_out() {
    local words source destination
    while read -r -a words; do
        [[ ${words[1]} != --from=* ]] || continue
        destination=${words[-1]}
        for source in "${words[@]:1:${#words[@]}-2}"; do
            [[ -e $source ]] || fail "$dockerfile copies $source, which is not in the tree"
            case $destination in
                */) mkdir -p "$2/$destination" && cp -R "$source" "$2/$destination" ;;
                *) mkdir -p "$2/$(dirname "$destination")" && cp -R "$source" "$2/$destination" ;;
            esac
        done
    done < <(grep '^COPY ' <<<"$1")
}

check_build_context() {
    lay_out "$build_stage" "$scratch/src"
    (cd "$scratch/src" && cargo metadata --locked --offline --no-deps --format-version 1 >/dev/null) \
        || fail "what $dockerfile copies is not a whole cargo workspace, see above"
    local pinned base
    pinned=$(sed -n 's/^channel = "\(.*\)"$/\1/p' rust-toolchain.toml)
    base=$(sed -n 's/^FROM rust:\([0-9.]*\).*/\1/p' <<<"$instructions")
    [[ $base == "$pinned" && $build_stage == *"RUSTUP_TOOLCHAIN=$pinned"* ]] \
        || fail "the build stage has Rust $base, rust-toolchain.toml pins $pinned"
    # Files outside of the crates that are compiled in must have been copied, too.
    local file relative
    while IFS=: read -r file relative; do
        [[ -e $(dirname "$scratch/src/$file")/$relative ]] \
            || fail "$file includes $relative, which $dockerfile does not copy"
    done < <(grep -rEo 'include_(bytes|str)!\("[^"]+"\)' --include='*.rs' crates \
        | sed -E 's/include_[a-z]+!\("(.*)"\)/\1/')
    say "the build context is whole"
}

check_libraries() {
    local library package installs brought needed=() provided=(libc6 libgcc-s1)
    if ldd "$binary" | grep -F 'not found'; then fail "$binary lacks the libraries above"; fi
    command -v dpkg-query >/dev/null || { say "no dpkg here: libraries were not checked"; return; }
    read -r -a installs <<<"$(sed -n 's/.*apt-get install \([^&]*\).*/\1/p' <<<"$final_stage" | tr '\n' ' ')"
    for package in "${installs[@]}"; do
        [[ $package != -* ]] || continue
        provided+=("$package")
        # What a package brings along counts as provided.
        read -r -a brought <<<"$(dpkg-query --show --showformat='${Depends}' "$package" 2>/dev/null \
            | tr ',' '\n' | awk '{printf "%s ", $1}')"
        provided+=("${brought[@]}")
    done
    while read -r library; do
        # By its true path, or by name where packages still say /lib for /usr/lib.
        package=$({ dpkg-query --search "$(realpath "$library")" 2>/dev/null \
            || dpkg-query --search "*/$(basename "$library")" 2>/dev/null || true; } | sed 's/:.*//;q')
        [[ " ${provided[*]} " == *" ${package:-none} "* ]] \
            || fail "the binary needs $library of ${package:-no package}, which the final stage does not install"
        needed+=("$package")
    done < <(ldd "$binary" | awk '$2 == "=>" {print $3}')
    say "needs only $(printf '%s\n' "${needed[@]}" | sort -u | tr '\n' ' ')"
}

check_declarations() {
    local user word
    user=$(final USER)
    [[ $user =~ ^[1-9][0-9]*:[1-9][0-9]*$ ]] || fail "USER is '$user': it must be a number that is not root's"
    [[ $(final ENTRYPOINT) == '["/usr/bin/vicinal"]' ]] || fail "ENTRYPOINT is not the binary that COPY lays down"
    for word in VOLUME EXPOSE HEALTHCHECK CMD; do
        [[ -n $(final "$word") ]] || fail "the final stage has no $word"
    done
    say "runs as $user"
}

# Waits up to 30 seconds until the health check succeeds.
wait_healthy() {
    local waited
    for ((waited = 0; waited < 150; waited++)); do
        if "${as_user[@]}" env "$@" stats --address "127.0.0.1:$port" >"$scratch/health" 2>&1; then return 0; fi
        kill -0 "$server" 2>/dev/null || return 1
        sleep 0.2
    done
    return 1
}

# The final stage's start, health check and stop, as its user, in a clean place.
run_final_stage() {
    local user root="$scratch/root" port http code=0
    user=$(final USER)
    as_user=()
    chmod 0755 "$scratch"
    mkdir -p "$root/usr/bin" "$root/etc/vicinal"
    install -m 0755 "$binary" "$root/usr/bin/vicinal"
    install -m 0644 configs/vicinal.yaml "$root/etc/vicinal/vicinal.yaml"
    if ((EUID == 0)) && command -v setpriv >/dev/null; then
        install -d -o "${user%:*}" -g "${user#*:}" -m 0700 "$root/data"
        as_user=(setpriv --reuid "${user%:*}" --regid "${user#*:}" --clear-groups --no-new-privs)
    else
        install -d -m 0700 "$root/data"
        say "not root here: the server runs as $(id -un), not as $user"
    fi
    port=$((20000 + RANDOM % 10000))
    http=$((port + 1))
    local settings=(HOME=/ "VICINAL_STORAGE__DIRECTORY=$root/data"
        "VICINAL_SERVER__ADDRESS=0.0.0.0:$port" "VICINAL_HTTP__ADDRESS=0.0.0.0:$http")
    local command=("$root/usr/bin/vicinal" serve -c "$root/etc/vicinal/vicinal.yaml")

    # Without the word of its owner it must not listen to everybody.
    if "${as_user[@]}" env -i "${settings[@]}" timeout 20 "${command[@]}" >"$scratch/refused" 2>&1; then
        fail "the server listens beyond loopback without VICINAL_SERVER__INSECURE"
    elif ! grep -qi insecure "$scratch/refused"; then
        fail "refusing to listen beyond loopback, the server should name server.insecure; it said: $(tail -n 3 "$scratch/refused")"
    fi

    settings+=(VICINAL_SERVER__INSECURE=true)
    "${as_user[@]}" env -i "${settings[@]}" "${command[@]}" >"$scratch/log" 2>&1 &
    server=$!
    wait_healthy -i HOME=/ "$root/usr/bin/vicinal" \
        || fail "the server did not become healthy: $(tail -n 5 "$scratch/log" "$scratch/health" 2>/dev/null)"
    kill -TERM "$server"
    wait "$server" || code=$?
    server=
    ((code == 0)) || fail "after SIGTERM the server ended with $code: $(tail -n 5 "$scratch/log")"
    say "starts, answers its health check and stops in a clean directory"
}

check_build_context
check_declarations
check_libraries
run_final_stage
