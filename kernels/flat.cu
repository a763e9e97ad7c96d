// Exact search: every row is compared with every query, and what is near is kept
// while the keys are still in registers; no matrix of distances is ever written.
//
// Plainly: for each query, for each row: key = distance; keep the k least.
//
// flat_scan is for a few queries: it is bound by the bytes of the rows. A warp takes
// four rows at a time, each lane four bytes of them, so that a row is read once, in
// whole sectors, for up to eight queries that lie in shared memory.
//
// flat_tiles is for many: 128 rows by 32 or 128 queries are multiplied by the tensor
// cores; squared distances come from the products and the lengths. Floats lose bits
// there, so that the caller asks for more rows than it wants and compares these anew.
//
// Both keep one list for each block and query in global memory; select_topk merges.
#include "common.cuh"

struct FlatArgs {
    const u32* rows;      // row after row, `words` each, zeros behind the elements
    const u32* queries;   // the same
    const u64* allowed;   // a bit a row, or null
    const u32* row_norms; // squares of the rows' lengths, floats or ints; for flat_tiles
    const u32* query_norms;
    u64* lists;           // [query][block_x][capacity]
    u32* counts;          // [query][block_x]
    u64* thresholds;      // [query], FARTHEST before the first block
    u32 row_count, query_count;
    u32 words;            // four bytes each, a multiple of eight
    u32 k, capacity;      // capacity is a power of two, at least k + STEP_ROWS
    u32 places;           // lists that there is shared memory to sort at once
};

// The list of a query in this block, whose queries begin with `first`.
DEVICE List list_of(const FlatArgs& args, u32 first, u32 query, u32* counts, u64* thresholds) {
    u64 place = (u64)least(first + query, args.query_count - 1) * grid_x() + block_x();
    return List{args.lists + place * args.capacity, counts + query, thresholds + query};
}

// Learns what other blocks have found.
DEVICE void refresh(const FlatArgs& args, u32 first, u32 queries, u64* thresholds) {
    for (u32 query = thread_at(); query < queries; query += THREADS) {
        bool is_there = first + query < args.query_count;
        u64 known = is_there ? load_fresh(args.thresholds + first + query) : 0;
        thresholds[query] = least(thresholds[query], known);
    }
}

// Makes room for another step in the lists that lack it, a warp for each, as many at
// once as there is room to sort in.
DEVICE void make_room(const FlatArgs& args, u32 first, u32 queries, u32* counts, u64* thresholds, u64* scratch) {
    u32 warp = warp_at(), places = args.places;
    for (u32 query = warp; warp < places && query < queries; query += places) {
        if (counts[query] + STEP_ROWS <= args.capacity) continue;
        List list = list_of(args, first, query, counts, thresholds);
        prune(list, args.k, scratch + warp * args.capacity, args.thresholds + first + query);
    }
}

DEVICE void begin(u32 queries, u32* counts, u64* thresholds) {
    for (u32 query = thread_at(); query < queries; query += THREADS) {
        counts[query] = 0;
        thresholds[query] = FARTHEST;
    }
    sync_block();
}

DEVICE void finish(const FlatArgs& args, u32 first, u32 queries, const u32* counts) {
    for (u32 query = thread_at(); query < queries; query += THREADS)
        if (first + query < args.query_count)
            args.counts[(u64)(first + query) * grid_x() + block_x()] = counts[query];
}

// The greatest key that a row below the threshold can have: no number where every key
// is below, the least of all where none is.
DEVICE float limit_of(u64 threshold) {
    u32 ordered = (u32)(threshold >> 32);
    if (threshold == 0) return float_of(0xff800000u);
    return float_of(ordered >> 31 ? ordered & 0x7fffffffu : ~ordered);
}

// Offers a row that exists and is allowed.
DEVICE_CALLED void consider(const FlatArgs& args, List list, float key, u32 row) {
    if (row < args.row_count && passes(args.allowed, row)) offer(list, ranked(key, row));
}

// Rows that a warp compares at once.
static const u32 SCAN_ROWS = 4;

// Dynamic shared memory: Queries * words * 4 bytes, then places * capacity * 8.
template <class E, int Metric, int Queries> DEVICE void flat_scan(const FlatArgs& args) {
    SHARED u32 counts[Queries];
    SHARED u64 thresholds[Queries];
    u32* queries = (u32*)dynamic_shared();
    u64* scratch = (u64*)(queries + Queries * args.words);
    u32 first = block_y() * Queries, lane = lane_at();
    for (u32 at = thread_at(); at < Queries * args.words; at += THREADS) {
        u32 query = first + at / args.words;
        queries[at] = query < args.query_count ? args.queries[(u64)first * args.words + at] : 0;
    }
    begin(Queries, counts, thresholds);
    for (u32 step = block_x() * STEP_ROWS; step < args.row_count; step += grid_x() * STEP_ROWS) {
        refresh(args, first, Queries, thresholds);
        sync_block();
        for (u32 part = warp_at() * SCAN_ROWS; part < STEP_ROWS; part += WARPS * SCAN_ROWS) {
            u32 row = step + part;
            if (row >= args.row_count) break;
            typename E::Sum sums[SCAN_ROWS * Queries] = {};
#pragma unroll 1
            for (u32 word = lane; word < args.words; word += WARP) {
                u32 x[SCAN_ROWS];
#pragma unroll
                for (u32 at = 0; at < SCAN_ROWS; at++)
                    x[at] = args.rows[(u64)least(row + at, args.row_count - 1) * args.words + word];
#pragma unroll
                for (u32 query = 0; query < Queries; query++) {
                    u32 y = queries[query * args.words + word];
#pragma unroll
                    for (u32 at = 0; at < SCAN_ROWS; at++)
                        sums[at * Queries + query] = E::template term<Metric>(sums[at * Queries + query], x[at], y);
                }
            }
            const u32 lanes_each = WARP / (SCAN_ROWS * Queries);
            typename E::Sum sum = sum_over_warp(sums);
            u32 at = lane / lanes_each / Queries, query = lane / lanes_each % Queries;
            bool is_there = lane % lanes_each == 0 && row + at < args.row_count;
            if (is_there) consider(args, list_of(args, first, query, counts, thresholds), key_of<Metric>(sum), row + at);
        }
        sync_block();
        make_room(args, first, Queries, counts, thresholds, scratch);
        sync_block();
    }
    finish(args, first, Queries, counts);
}

// Rows of a tile: those of a step.
static const u32 TILE_ROWS = STEP_ROWS;
// Bytes of each vector that are multiplied between two barriers, and those that they
// take in shared memory: 32 more, so that the lanes of a warp read other banks.
static const u32 CHUNK = 64;
static const u32 CHUNK_STRIDE = CHUNK + 32;

// Has 64 bytes of the tile's rows and queries copied, zeros behind their ends.
DEVICE void load_chunk(const FlatArgs& args, u32 first_row, u32 first_query, u32 queries, u32 chunk, unsigned char* stage) {
    u32 pitch = args.words * 4;
    for (u32 piece = thread_at(); piece < (TILE_ROWS + queries) * (CHUNK / 16); piece += THREADS) {
        u32 vector = piece / (CHUNK / 16), byte = chunk * CHUNK + piece % (CHUNK / 16) * 16;
        bool is_row = vector < TILE_ROWS;
        u32 at = is_row ? first_row + vector : first_query + vector - TILE_ROWS;
        unsigned char* to = stage + vector * CHUNK_STRIDE + piece % (CHUNK / 16) * 16;
        if (at < (is_row ? args.row_count : args.query_count) && byte < pitch) {
            copy_async(to, (const unsigned char*)(is_row ? args.rows : args.queries) + (u64)at * pitch + byte);
        } else {
            ((u64*)to)[0] = 0;
            ((u64*)to)[1] = 0;
        }
    }
    commit_copies();
}

// Two words of a vector: those of one place in both halves of a multiplication. Which
// elements of a sum meet is free, as long as rows and queries agree.
template <class E> DEVICE void load_words(const unsigned char* stage, u32 vector, u32 part, u32& low, u32& high) {
    u64 both = *(const u64*)(stage + vector * CHUNK_STRIDE + part * 32 + lane_at() % 4 * 8);
    low = E::operand((u32)both);
    high = E::operand((u32)(both >> 32));
}

template <int Metric> DEVICE float tile_key(float product, u32 row_norm, u32 query_norm) {
    if (Metric == METRIC_DOT) return key_of<Metric>(product);
    float key = key_of<Metric>(multiply_add(-2.0f, product, float_of(row_norm) + float_of(query_norm)));
    return key < 0.0f ? 0.0f : key;
}
template <int Metric> DEVICE float tile_key(int product, u32 row_norm, u32 query_norm) {
    if (Metric == METRIC_DOT) return key_of<Metric>(product);
    return key_of<Metric>((int)(row_norm + query_norm - 2 * (u32)product));
}

// Dynamic shared memory: two stages of (TILE_ROWS + 32 * QueryWarps) * CHUNK_STRIDE
// bytes, in which lists are sorted, too; at least one of `capacity` fits.
template <class E, int Metric, int QueryWarps> DEVICE void flat_tiles(const FlatArgs& args) {
    const u32 queries = 32 * QueryWarps, row_warps = WARPS / QueryWarps;
    const u32 row_tiles = TILE_ROWS / row_warps / 16, query_tiles = 4;
    const u32 stage_bytes = (TILE_ROWS + queries) * CHUNK_STRIDE;
    SHARED u32 counts[queries];
    SHARED u64 thresholds[queries];
    unsigned char* stages = (unsigned char*)dynamic_shared();
    u32 first = block_y() * queries, lane = lane_at();
    u32 warp_row = warp_at() / QueryWarps * row_tiles * 16, warp_query = warp_at() % QueryWarps * 32;
    u32 chunks = (args.words * 4 + CHUNK - 1) / CHUNK;
    begin(queries, counts, thresholds);
    for (u32 step = block_x() * TILE_ROWS; step < args.row_count; step += grid_x() * TILE_ROWS) {
        refresh(args, first, queries, thresholds);
        typename E::Sum sums[row_tiles][query_tiles][4] = {};
        load_chunk(args, step, first, queries, 0, stages);
#pragma unroll 1
        for (u32 chunk = 0; chunk < chunks; chunk++) {
            if (chunk + 1 < chunks) {
                load_chunk(args, step, first, queries, chunk + 1, stages + (chunk + 1) % 2 * stage_bytes);
                wait_copies<1>();
            } else {
                wait_copies<0>();
            }
            sync_block();
            const unsigned char* stage = stages + chunk % 2 * stage_bytes;
#pragma unroll
            for (u32 part = 0; part < CHUNK / 32; part++) {
                u32 a[row_tiles][4], b[query_tiles][2];
#pragma unroll
                for (u32 tile = 0; tile < row_tiles; tile++) {
                    u32 row = warp_row + tile * 16 + lane / 4;
                    load_words<E>(stage, row, part, a[tile][0], a[tile][2]);
                    load_words<E>(stage, row + 8, part, a[tile][1], a[tile][3]);
                }
#pragma unroll
                for (u32 tile = 0; tile < query_tiles; tile++)
                    load_words<E>(stage, TILE_ROWS + warp_query + tile * 8 + lane / 4, part, b[tile][0], b[tile][1]);
#pragma unroll
                for (u32 row = 0; row < row_tiles; row++)
#pragma unroll
                    for (u32 query = 0; query < query_tiles; query++) E::mma(sums[row][query], a[row], b[query]);
            }
            sync_block();
        }
        u32 row_norms[2 * row_tiles];
#pragma unroll
        for (u32 at = 0; at < 2 * row_tiles; at++) {
            u32 row = least(step + warp_row + at * 8 + lane / 4, args.row_count - 1);
            row_norms[at] = Metric == METRIC_L2 ? args.row_norms[row] : 0;
        }
#pragma unroll
        for (u32 query_tile = 0; query_tile < query_tiles; query_tile++)
#pragma unroll
            for (u32 side = 0; side < 2; side++) {
                u32 query = warp_query + query_tile * 8 + lane % 4 * 2 + side;
                u32 place = least(first + query, args.query_count - 1);
                u32 query_norm = Metric == METRIC_L2 ? args.query_norms[place] : 0;
                List list = list_of(args, first, query, counts, thresholds);
                float limit = limit_of(*list.threshold);
#pragma unroll
                for (u32 at = 0; at < 2 * row_tiles; at++) {
                    float key = tile_key<Metric>(sums[at / 2][query_tile][at % 2 * 2 + side], row_norms[at], query_norm);
                    if (!(key > limit)) consider(args, list, key, step + warp_row + at * 8 + lane / 4);
                }
            }
        sync_block();
        make_room(args, first, queries, counts, thresholds, (u64*)stages);
        sync_block();
    }
    finish(args, first, queries, counts);
}

// The squares of the rows' lengths, a warp for a row.
struct NormsArgs {
    const u32* rows;
    u32* norms; // floats or ints
    u32 row_count, words;
};

template <class E> DEVICE void row_norms(const NormsArgs& args) {
    for (u32 row = block_x() * WARPS + warp_at(); row < args.row_count; row += grid_x() * WARPS) {
        typename E::Sum sums[1] = {};
        for (u32 word = lane_at(); word < args.words; word += WARP) {
            u32 x = args.rows[(u64)row * args.words + word];
            sums[0] = E::template term<METRIC_DOT>(sums[0], x, x);
        }
        typename E::Sum sum = sum_over_warp(sums);
        if (lane_at() == 0) args.norms[row] = bits_of(sum);
    }
}

#ifdef ELEMENT
KERNEL(flat_scan_l2_1)(FlatArgs args) { flat_scan<ELEMENT, METRIC_L2, 1>(args); }
KERNEL(flat_scan_l2_8)(FlatArgs args) { flat_scan<ELEMENT, METRIC_L2, 8>(args); }
KERNEL(flat_scan_dot_1)(FlatArgs args) { flat_scan<ELEMENT, METRIC_DOT, 1>(args); }
KERNEL(flat_scan_dot_8)(FlatArgs args) { flat_scan<ELEMENT, METRIC_DOT, 8>(args); }
KERNEL(flat_tiles_l2_32)(FlatArgs args) { flat_tiles<ELEMENT, METRIC_L2, 1>(args); }
KERNEL(flat_tiles_l2_128)(FlatArgs args) { flat_tiles<ELEMENT, METRIC_L2, 4>(args); }
KERNEL(flat_tiles_dot_32)(FlatArgs args) { flat_tiles<ELEMENT, METRIC_DOT, 1>(args); }
KERNEL(flat_tiles_dot_128)(FlatArgs args) { flat_tiles<ELEMENT, METRIC_DOT, 4>(args); }
KERNEL(flat_row_norms)(NormsArgs args) { row_norms<ELEMENT>(args); }
#endif
