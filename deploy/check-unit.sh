#!/usr/bin/env bash
# Checks the shell scripts of the tree and deploy/vicinal.service, the unit by
# systemd-analyze where that is installed. Usage: deploy/check-unit.sh VICINAL
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
binary=${1:?usage: deploy/check-unit.sh VICINAL, the built binary}
# systemd's scale from 0 (walled in) to 10; the flag takes tenths. It was 1.2 when
# the unit was written; what raises it needs a reason.
exposure_max_tenths=15

say() { printf 'unit: %s\n' "$*"; }
fail() { printf 'unit: %s\n' "$*" >&2; exit 1; }

for script in .ci/run deploy/*.sh benches/*.sh; do
    bash -n "$script" || fail "$script is not valid bash"
    [[ -x $script ]] || fail "$script is not executable: chmod +x $script"
done
say "scripts parse"
if command -v shellcheck >/dev/null; then
    shellcheck .ci/run deploy/*.sh benches/*.sh || fail "shellcheck found something, see above"
    say "shellcheck is content"
fi

if ! command -v systemd-analyze >/dev/null; then
    say "systemd-analyze is not installed here: the unit was not checked"
    exit 0
fi
[[ -x $binary ]] || fail "$binary is not there: make build"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# verify wants the command of the unit to exist: name the one that was built.
sed "s#^ExecStart=/usr/bin/vicinal#ExecStart=$(realpath "$binary")#" deploy/vicinal.service \
    >"$scratch/vicinal.service"
findings=$(systemd-analyze verify "$scratch/vicinal.service" 2>&1 | grep -F vicinal || true)
[[ -z $findings ]] || fail "systemd-analyze verify: $findings"
say "systemd-analyze verify is content"
version=$(systemd-analyze --version | awk 'NR == 1 {print $2}')
if ((${version%%[^0-9]*} < 250)); then
    say "systemd $version cannot rate a file: exposure was not checked"
elif rating=$(systemd-analyze security --offline=true --no-pager \
    --threshold="$exposure_max_tenths" "$scratch/vicinal.service" 2>&1); then
    say "${rating##*→ }"
else
    printf '%s\n' "$rating" | grep -E '^✗|Overall|nknown|nvalid' >&2 || true
    fail "systemd-analyze security failed or the unit is more exposed than $exposure_max_tenths tenths"
fi
