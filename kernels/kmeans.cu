// One round of k-means: the nearest centroid of every row, then the mean of each
// cluster's rows.
//
// Plainly: assign: for each row, the centroid of the least squared distance, of equal
// ones the first. means: for each cluster, the sum of its rows in order, as doubles,
// by their number; a cluster without rows stays where it is.
//
// assign compares 64 rows with 64 centroids at a time, each thread four by four, with
// differences, not with products and lengths: as exact as the CPU, bound by arithmetic.
// means goes through the rows of a cluster in their order, so that every run gives the
// same floats: bound by the bytes of the rows.
#include "common.cuh"

struct AssignArgs {
    const float* rows;
    const float* centroids;
    u64* nearest; // ranked: the key above, the number of the centroid below
    u32 row_count, centroid_count, dim;
};

static const u32 SIDE = 64; // rows and centroids of a tile
static const u32 DEPTH = 16; // dimensions of a tile
static const u32 EACH = 4; // rows and centroids of a thread

DEVICE void kmeans_assign(const AssignArgs& args) {
    // One place more than a row takes, so that columns lie in different banks.
    SHARED float rows[SIDE][DEPTH + 1];
    SHARED float centroids[SIDE][DEPTH + 1];
    u32 thread = thread_at(), across = thread % 16, down = thread / 16;
    u32 first_row = block_x() * SIDE;
    u64 nearest[EACH];
    for (u32 at = 0; at < EACH; at++) nearest[at] = FARTHEST;
    for (u32 first = 0; first < args.centroid_count; first += SIDE) {
        float sums[EACH][EACH] = {};
        for (u32 depth = 0; depth < args.dim; depth += DEPTH) {
            for (u32 at = thread; at < SIDE * DEPTH; at += THREADS) {
                u32 vector = at / DEPTH, dim = depth + at % DEPTH;
                bool is_row = first_row + vector < args.row_count && dim < args.dim;
                bool is_centroid = first + vector < args.centroid_count && dim < args.dim;
                rows[vector][at % DEPTH] = is_row ? args.rows[(u64)(first_row + vector) * args.dim + dim] : 0.0f;
                centroids[vector][at % DEPTH] = is_centroid ? args.centroids[(u64)(first + vector) * args.dim + dim] : 0.0f;
            }
            sync_block();
#pragma unroll
            for (u32 dim = 0; dim < DEPTH; dim++)
#pragma unroll
                for (u32 row = 0; row < EACH; row++)
#pragma unroll
                    for (u32 centroid = 0; centroid < EACH; centroid++)
                        sums[row][centroid] = float_term<METRIC_L2>(rows[down + 16 * row][dim], centroids[across + 16 * centroid][dim], sums[row][centroid]);
            sync_block();
        }
#pragma unroll
        for (u32 row = 0; row < EACH; row++)
#pragma unroll
            for (u32 centroid = 0; centroid < EACH; centroid++) {
                u32 number = first + across + 16 * centroid;
                if (number < args.centroid_count)
                    nearest[row] = least(nearest[row], ranked(key_of<METRIC_L2>(sums[row][centroid]), number));
            }
    }
    // The sixteen threads of a row are half a warp.
#pragma unroll
    for (u32 row = 0; row < EACH; row++) {
        for (u32 mask = 8; mask > 0; mask /= 2) nearest[row] = least(nearest[row], shuffle_xor(nearest[row], mask));
        u32 number = first_row + down + 16 * row;
        if (across == 0 && number < args.row_count) args.nearest[number] = nearest[row];
    }
}

struct MeansArgs {
    const float* rows;
    const u32* members; // rows, cluster after cluster
    const u32* starts;  // where those of each cluster begin, and the end
    float* centroids;
    u32 dim;
};

DEVICE void kmeans_means(const MeansArgs& args) {
    u32 begin = args.starts[block_x()], end = args.starts[block_x() + 1];
    if (begin == end) return;
    for (u32 dim = thread_at(); dim < args.dim; dim += THREADS) {
        double sum = 0.0;
        for (u32 at = begin; at < end; at++) sum += args.rows[(u64)args.members[at] * args.dim + dim];
        args.centroids[(u64)block_x() * args.dim + dim] = (float)(sum / (end - begin));
    }
}

KERNEL(kmeans_assign_rows)(AssignArgs args) { kmeans_assign(args); }
KERNEL(kmeans_cluster_means)(MeansArgs args) { kmeans_means(args); }
