// What all kernels share: the names for threads and blocks, elements and their
// arithmetic, ranked rows, and the lists in which a block keeps the nearest.
//
// Nothing is included: NVRTC compiles this text as it is. Compiled as host C++,
// host.h gives the same names to threads that take turns on one CPU.
#pragma once

typedef unsigned int u32;
typedef unsigned long long u64;

#if defined(__CUDACC_RTC__) || defined(__CUDACC__)

#define DEVICE static __device__ __forceinline__
#define DEVICE_CALLED static __device__ __noinline__
#define DEVICE_MEMBER __device__ __forceinline__
#define SHARED __shared__
#define KERNEL(name) extern "C" __global__ void __launch_bounds__(256) name

extern __shared__ __align__(16) unsigned char dynamic_memory[];

DEVICE u32 thread_at() { return threadIdx.x; }
DEVICE u32 block_x() { return blockIdx.x; }
DEVICE u32 block_y() { return blockIdx.y; }
DEVICE u32 grid_x() { return gridDim.x; }
DEVICE void* dynamic_shared() { return dynamic_memory; }
DEVICE void sync_block() { __syncthreads(); }
DEVICE void sync_warp() { __syncwarp(); }
DEVICE float shuffle_xor(float value, u32 mask) { return __shfl_xor_sync(~0u, value, mask); }
DEVICE int shuffle_xor(int value, u32 mask) { return __shfl_xor_sync(~0u, value, mask); }
DEVICE u64 shuffle_xor(u64 value, u32 mask) { return __shfl_xor_sync(~0u, value, mask); }
DEVICE u32 atomic_add(u32* at, u32 value) { return atomicAdd(at, value); }
DEVICE void atomic_min(u64* at, u64 value) { atomicMin(at, value); }
DEVICE u64 load_fresh(const u64* at) { return *(const volatile u64*)at; }
DEVICE float float_of(u32 bits) { return __uint_as_float(bits); }
DEVICE u32 bits_of(float value) { return __float_as_uint(value); }
DEVICE u32 bits_of(int value) { return (u32)value; }
DEVICE float multiply_add(float a, float b, float sum) { return fmaf(a, b, sum); }

DEVICE float half_to_float(u32 half) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"((unsigned short)half));
    return value;
}

// 16 bytes from global to shared memory, there once wait_copies has returned.
DEVICE void copy_async(void* to, const void* from) {
    u32 at = (u32)__cvta_generic_to_shared(to);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(at), "l"(from) : "memory");
}
DEVICE void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits for all copies but those of the last `Behind` commits.
template <int Behind> DEVICE void wait_copies() {
    asm volatile("cp.async.wait_group %0;" ::"n"(Behind) : "memory");
}

// C[16][8] += A[16][32 bytes] * B[32 bytes][8]^T, see the PTX manual for which
// lane holds what: the same bytes for every type of element.
DEVICE void mma_f16(float (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
DEVICE void mma_bf16(float (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
DEVICE void mma_tf32(float (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) {
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
DEVICE void mma_i8(int (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) {
    asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
DEVICE void mma_u8(int (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) {
    asm("mma.sync.aligned.m16n8k32.row.col.s32.u8.u8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

#else
#include "host.h"
#endif

// Threads of every block, and the warps they are.
static const u32 THREADS = 256;
static const u32 WARP = 32;
static const u32 WARPS = THREADS / WARP;

static const int METRIC_L2 = 0;
static const int METRIC_DOT = 1;

DEVICE u32 lane_at() { return thread_at() % WARP; }
DEVICE u32 warp_at() { return thread_at() / WARP; }
DEVICE u64 least(u64 a, u64 b) { return a < b ? a : b; }
DEVICE u32 least(u32 a, u32 b) { return a < b ? a : b; }

DEVICE int dot4_i8(u32 x, u32 y, int sum) {
    for (u32 at = 0; at < 32; at += 8) sum += (int)(signed char)(x >> at) * (int)(signed char)(y >> at);
    return sum;
}
DEVICE int dot4_u8(u32 x, u32 y, int sum) {
    for (u32 at = 0; at < 32; at += 8) sum += (int)(x >> at & 255) * (int)(y >> at & 255);
    return sum;
}

template <int Metric> DEVICE float float_term(float a, float b, float sum) {
    if (Metric == METRIC_DOT) return multiply_add(a, b, sum);
    return multiply_add(a - b, a - b, sum);
}

// An element type: what a word of four bytes of two vectors adds to their sum, and
// the product of two tiles. Rows are padded with zeros, which add nothing.
struct F32 {
    typedef float Sum;
    template <int Metric> DEVICE Sum term(Sum sum, u32 x, u32 y) {
        return float_term<Metric>(float_of(x), float_of(y), sum);
    }
    // The tensor cores take eleven bits of a float; what they get is cut here.
    DEVICE u32 operand(u32 word) { return word & 0xffffe000u; }
    DEVICE void mma(Sum (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) { mma_tf32(c, a, b); }
};
struct F16 {
    typedef float Sum;
    template <int Metric> DEVICE Sum term(Sum sum, u32 x, u32 y) {
        sum = float_term<Metric>(half_to_float(x & 0xffff), half_to_float(y & 0xffff), sum);
        return float_term<Metric>(half_to_float(x >> 16), half_to_float(y >> 16), sum);
    }
    DEVICE u32 operand(u32 word) { return word; }
    DEVICE void mma(Sum (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) { mma_f16(c, a, b); }
};
struct BF16 {
    typedef float Sum;
    template <int Metric> DEVICE Sum term(Sum sum, u32 x, u32 y) {
        sum = float_term<Metric>(float_of(x << 16), float_of(y << 16), sum);
        return float_term<Metric>(float_of(x & 0xffff0000u), float_of(y & 0xffff0000u), sum);
    }
    DEVICE u32 operand(u32 word) { return word; }
    DEVICE void mma(Sum (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) { mma_bf16(c, a, b); }
};
struct I8 {
    typedef int Sum;
    template <int Metric> DEVICE Sum term(Sum sum, u32 x, u32 y) {
        if (Metric == METRIC_DOT) return dot4_i8(x, y, sum);
        return sum + dot4_i8(x, x, 0) + dot4_i8(y, y, 0) - 2 * dot4_i8(x, y, 0);
    }
    DEVICE u32 operand(u32 word) { return word; }
    DEVICE void mma(Sum (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) { mma_i8(c, a, b); }
};
struct U8 {
    typedef int Sum;
    template <int Metric> DEVICE Sum term(Sum sum, u32 x, u32 y) {
        if (Metric == METRIC_DOT) return dot4_u8(x, y, sum);
        return sum + dot4_u8(x, x, 0) + dot4_u8(y, y, 0) - 2 * dot4_u8(x, y, 0);
    }
    DEVICE u32 operand(u32 word) { return word; }
    DEVICE void mma(Sum (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) { mma_u8(c, a, b); }
};

// A sum as the key by which rows are ordered: smaller is nearer, what is no number
// is infinitely far.
template <int Metric, class Sum> DEVICE float key_of(Sum sum) {
    float key = Metric == METRIC_DOT ? -(float)sum : (float)sum;
    return key == key ? key : float_of(0x7f800000u);
}

// A key and a row as one integer that orders by key, then row.
static const u64 FARTHEST = ~0ull;
DEVICE u64 ranked(float key, u32 row) {
    u32 bits = bits_of(key);
    u32 ordered = bits >> 31 ? ~bits : bits | 0x80000000u;
    return (u64)ordered << 32 | row;
}

// Adds up N values over the 32 lanes of a warp: lane l returns the sum of value
// l / (32 / N). In every step a lane keeps one half of its values and gives the
// other away, so that N values take N + 4 - log2(N) exchanges, not 5 N.
template <int N, int Half, class Sum> DEVICE void fold(Sum (&values)[N]) {
    if constexpr (Half >= 1) {
        const u32 offset = Half * WARP / N;
        bool upper = lane_at() & offset;
#pragma unroll
        for (int at = 0; at < Half; at++) {
            Sum kept = upper ? values[at + Half] : values[at];
            Sum given = upper ? values[at] : values[at + Half];
            values[at] = kept + shuffle_xor(given, offset);
        }
        fold<N, Half / 2>(values);
    }
}
template <int N, class Sum> DEVICE Sum sum_over_warp(Sum (&values)[N]) {
    fold<N, N / 2>(values);
#pragma unroll
    for (u32 offset = WARP / N / 2; offset > 0; offset /= 2) values[0] += shuffle_xor(values[0], offset);
    return values[0];
}

// Whether a row is allowed; without a bitmap all are.
DEVICE bool passes(const u64* allowed, u32 row) {
    return allowed == nullptr || (allowed[row / 64] >> (row % 64) & 1);
}

// Sorts `count` integers, a power of two, by a team of threads of which this is
// number `member`. `sync` waits for the team.
template <class Sync> DEVICE void sort(u64* items, u32 count, u32 member, u32 team, Sync sync) {
#pragma unroll 1
    for (u32 size = 2; size <= count; size *= 2) {
#pragma unroll 1
        for (u32 stride = size / 2; stride > 0; stride /= 2) {
#pragma unroll 1
            for (u32 pair = member; pair < count / 2; pair += team) {
                u32 low = 2 * pair - (pair & (stride - 1));
                u32 high = low + stride;
                bool ascending = (low & size) == 0;
                u64 a = items[low], b = items[high];
                if ((a > b) == ascending) {
                    items[low] = b;
                    items[high] = a;
                }
            }
            sync();
        }
    }
}

struct SyncWarp {
    DEVICE_MEMBER void operator()() const { sync_warp(); }
};
struct SyncBlock {
    DEVICE_MEMBER void operator()() const { sync_block(); }
};

DEVICE u32 power_of_two(u32 at_least) {
    u32 power = 2;
    while (power < at_least) power *= 2;
    return power;
}

// Rows that a block compares between two looks at its lists, hence the free places
// that a list needs before.
static const u32 STEP_ROWS = 128;

// The nearest rows that a block has seen for one query: in front the k nearest of
// some time ago, behind them what was nearer than the threshold since.
struct List {
    u64* rows;      // in global memory, `capacity` places
    u32* count;     // in shared memory
    u64* threshold; // in shared memory: FARTHEST, or that of k rows none is farther
};

// Adds a row if it may be among the nearest.
DEVICE void offer(List list, u64 row) {
    if (row < *list.threshold) list.rows[atomic_add(list.count, 1)] = row;
}

// Leaves the k nearest rows of a list, by one warp with room to sort them all. What
// this block knows then, others learn by `everywhere`.
DEVICE void prune(List list, u32 k, u64* scratch, u64* everywhere) {
    u32 count = *list.count, size = power_of_two(count), lane = lane_at();
#pragma unroll 1
    for (u32 at = lane; at < size; at += WARP) scratch[at] = at < count ? list.rows[at] : FARTHEST;
    sync_warp();
    sort(scratch, size, lane, WARP, SyncWarp());
#pragma unroll 1
    for (u32 at = lane; at < least(count, k); at += WARP) list.rows[at] = scratch[at];
    if (lane == 0) {
        *list.count = least(count, k);
        if (count >= k) {
            *list.threshold = least(*list.threshold, scratch[k - 1]);
            atomic_min(everywhere, *list.threshold);
        }
    }
    sync_warp();
}
