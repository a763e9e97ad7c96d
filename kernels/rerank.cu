// Compares candidates anew, as exactly as floats of 32 bits do, and orders them.
//
// Plainly: for each candidate of a query: key = distance of the stored vectors; sort.
// One block a query, a warp for each candidate in turn: bound by reading rows that lie
// here and there.
#include "common.cuh"

static const u32 RERANK_MAX = 4096;

struct RerankArgs {
    const u32* rows;
    const u32* queries;
    const u64* candidates; // [query][count], FARTHEST where there is none
    u64* out;              // [query][k]
    u32 words, count, k;   // count at most RERANK_MAX, k at most count
};

template <class E, int Metric> DEVICE void rerank(const RerankArgs& args) {
    SHARED u64 compared[RERANK_MAX];
    u32 query = block_x(), size = power_of_two(args.count), lane = lane_at();
    for (u32 at = warp_at(); at < size; at += WARPS) {
        u64 candidate = at < args.count ? args.candidates[(u64)query * args.count + at] : FARTHEST;
        if (candidate != FARTHEST) {
            u32 row = (u32)candidate;
            typename E::Sum sums[1] = {};
            for (u32 word = lane; word < args.words; word += WARP)
                sums[0] = E::template term<Metric>(sums[0], args.rows[(u64)row * args.words + word], args.queries[(u64)query * args.words + word]);
            candidate = ranked(key_of<Metric>(sum_over_warp(sums)), row);
        }
        if (lane == 0) compared[at] = candidate;
    }
    sync_block();
    sort(compared, size, thread_at(), THREADS, SyncBlock());
    for (u32 at = thread_at(); at < args.k; at += THREADS) args.out[(u64)query * args.k + at] = compared[at];
}

#ifdef ELEMENT
KERNEL(rerank_l2)(RerankArgs args) { rerank<ELEMENT, METRIC_L2>(args); }
KERNEL(rerank_dot)(RerankArgs args) { rerank<ELEMENT, METRIC_DOT>(args); }
#endif
