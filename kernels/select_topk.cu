// Merges the lists that the blocks of a search have kept for each query.
//
// Plainly: out[query] = the k least of all its lists, in order. One block a query; what
// is not below the threshold is passed over, the others are collected and cut to the k
// nearest whenever there is no room for another step.
#include "common.cuh"

// Places to collect in: k of 2,048 and a step of 256 fit.
static const u32 SELECT_CAPACITY = 4096;
static const u32 SELECT_K_MAX = 2048;

struct SelectArgs {
    const u64* lists;  // [query][list][capacity]
    const u32* counts; // [query][list]
    u64* out;          // [query][k], FARTHEST where there are fewer
    u32 list_count, capacity, k;
};

// Leaves the k least of `collected`, sorted; how many there are.
DEVICE u32 cut(u64* collected, u32 count, u32 k) {
    u32 size = power_of_two(count);
    for (u32 at = count + thread_at(); at < size; at += THREADS) collected[at] = FARTHEST;
    sync_block();
    sort(collected, size, thread_at(), THREADS, SyncBlock());
    return least(count, k);
}

DEVICE void select_topk(const SelectArgs& args) {
    SHARED u64 collected[SELECT_CAPACITY];
    SHARED u32 count;
    SHARED u64 threshold;
    if (thread_at() == 0) {
        count = 0;
        threshold = FARTHEST;
    }
    sync_block();
    u64 first_list = (u64)block_x() * args.list_count;
    for (u32 list = 0; list < args.list_count; list++) {
        u32 length = args.counts[first_list + list];
        const u64* rows = args.lists + (first_list + list) * args.capacity;
        for (u32 step = 0; step < length; step += THREADS) {
            u32 at = step + thread_at();
            u64 row = at < length ? rows[at] : FARTHEST;
            if (row < threshold) collected[atomic_add(&count, 1)] = row;
            sync_block();
            u32 seen = count;
            sync_block();
            if (seen + THREADS <= SELECT_CAPACITY) continue;
            u32 kept = cut(collected, seen, args.k);
            if (thread_at() == 0) {
                count = kept;
                if (kept == args.k) threshold = collected[kept - 1];
            }
            sync_block();
        }
    }
    u32 kept = cut(collected, count, args.k);
    for (u32 at = thread_at(); at < args.k; at += THREADS)
        args.out[(u64)block_x() * args.k + at] = at < kept ? collected[at] : FARTHEST;
}

KERNEL(select_topk_merge)(SelectArgs args) { select_topk(args); }
