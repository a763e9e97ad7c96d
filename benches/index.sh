#!/usr/bin/env bash
# Measures indexes in process, one thread, k = 10: vicinal's own and those of the
# engines hnsw_rs and faiss, and prints them beside what other programs measured in
# one table of queries per second at recall 0.90, 0.95 and 0.99.
#
#   benches/index.sh DIR NAME METRIC [PEERS.jsonl…]
#
# DIR holds NAME.base.npy and for each set of queries, SET, NAME.SET.npy with the true
# neighbours in NAME.SET_gt.npy. METRIC is l2, ip or cosine. Progress goes to stderr,
# the table to stdout; what was measured stays in RESULTS. Run nothing else meanwhile.
#
# Environment, with what is taken if it is not set:
#   SETS     the sets of queries: all that DIR has
#   INDEXES  what is measured, as `vicinal bench ann --index` takes it, one a word; the
#            first is what the table compares with: AUTO and what its rivals are
#   EFFORTS  candidates kept by graphs: 10,12,16,24,32,48,64,96,128,192,256,384,512
#   PROBES   lists probed: 1,2,4,8,16,32,48,64,96,128,192
#   BUILT    where indexes are kept, and taken from if they are there: DIR/built
#   RESULTS  where the lines go that were measured: DIR/results
#   THREADS  that build: 0, which is all cores
#   PASSES   over all queries, the best counts: 3
#   VICINAL  the binary: target/release/vicinal. Built without `--features faiss`, it
#            leaves faiss out, with a note.
set -euo pipefail

# shellcheck source=benches/stage.sh
source "$(dirname "${BASH_SOURCE[0]}")/stage.sh"

case ${1:-} in
    -h | --help)
        sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
        exit
        ;;
esac
(($# >= 3)) || fail "usage: benches/index.sh DIR NAME METRIC [PEERS.jsonl…]; --help says more"
dir=$1 name=$2 metric=$3
shift 3

built=${BUILT:-$dir/built}
results=${RESULTS:-$dir/results}
efforts=${EFFORTS:-10,12,16,24,32,48,64,96,128,192,256,384,512}
probes=${PROBES:-1,2,4,8,16,32,48,64,96,128,192}
base=$dir/$name.base.npy
need_vicinal
[[ -f $base ]] || fail "$base is not there"

# Lists by faiss's own advice, four times the root of the rows; subvectors of two
# dimensions, for which faiss has its fastest scan.
read -r rows dim < <(head -c 128 "$base" | tr -cd '[:print:]' | sed -n 's/.*(\([0-9]*\), \([0-9]*\)).*/\1 \2/p')
[[ -n ${dim:-} ]] || fail "$base is not a two-dimensional .npy"
lists=$(awk -v rows="$rows" 'BEGIN { print int(4 * sqrt(rows)) }')
product=lists=$lists,bits=4,subvectors=$((dim / 2))
default_indexes="AUTO HNSW,codes=none,m=16,efc=200 HNSW,codes=sq8 IVF_PQ IVF_PQ,$product IVF_RABITQ SCANN FLAT
    HNSW,engine=hnsw_rs,m=16,efc=200 HNSW,engine=faiss,m=16,efc=200 IVF_PQ,engine=faiss,$product FLAT,engine=faiss"
read -r -a indexes <<<"$(tr '\n' ' ' <<<"${INDEXES:-$default_indexes}")"

if [[ -n ${SETS:-} ]]; then
    read -r -a sets <<<"$SETS"
else
    sets=()
    for truth in "$dir/$name".*_gt.npy; do
        [[ -f $truth ]] || fail "$dir has no $name.SET_gt.npy"
        set=${truth#"$dir/$name."}
        sets+=("${set%_gt.npy}")
    done
fi
mkdir -p "$built" "$results"

lines=()
for set in "${sets[@]}"; do
    out=$results/$name.$set.jsonl
    : >"$out"
    lines+=("$out")
    for index in "${indexes[@]}"; do
        effort=$efforts
        [[ $index == IVF* || $index == SCANN* ]] && effort=$probes
        say "$name, queries $set: $index"
        "$vicinal" bench ann --base "$base" --query "$dir/$name.$set.npy" --truth "$dir/$name.${set}_gt.npy" \
            --metric "$metric" --name "$name" --index "$index" --effort "$effort" --passes "${PASSES:-3}" \
            --build-threads "${THREADS:-0}" --save "$built" --load "$built" --json >>"$out" \
            || say "$index is left out: see the line above"
    done
done

printf '%s, one of %s cores, %s, %s\n\n' "$(date -u +%F)" "$(nproc)" \
    "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$("$vicinal" --version)"
"$vicinal" bench table "${lines[@]}" "$@"
