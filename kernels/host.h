// Threads, blocks and tensor cores on a CPU: the same kernels, checked without a GPU.
//
// A block's threads are fibers of one thread. Each runs until it waits for its warp
// or its block; the order in which they take their turns is a parameter, so that a
// missing barrier shows as another result. A barrier that some thread never reaches
// ends the process with a message. Asynchronous copies arrive when they are waited
// for, not earlier.
#pragma once

#include <setjmp.h>
#include <ucontext.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#define DEVICE static inline
#define DEVICE_CALLED static inline
#define DEVICE_MEMBER inline
#define SHARED static
#define KERNEL(name) [[maybe_unused]] static void name

namespace host {

static const u32 LANES = 32;
static const size_t STACK_BYTES = 64 * 1024;

struct Copy {
    void* to;
    const void* from;
};

struct Fiber {
    ucontext_t context;
    jmp_buf place;
    bool has_begun;
    std::vector<unsigned char> stack;
    // 0 runs, 1 waits for its warp, 2 for its block, 3 has ended.
    int state;
    std::vector<std::vector<Copy>> copies;
};

struct Exchange {
    u64 words[LANES][4];
};

struct Block {
    std::vector<Fiber> fibers;
    std::vector<Exchange> exchanges;
    std::vector<unsigned char> shared;
    const std::function<void()>* body;
    ucontext_t beginning;
    jmp_buf scheduler;
    u32 current, x, y, grid_x;
};

static Block* running = nullptr;

// Back to the scheduler. A context is only switched to begin: that asks the system,
// jumps do not.
[[gnu::noinline]] static void wait(int state) {
    Fiber& fiber = running->fibers[running->current];
    fiber.state = state;
    if (_setjmp(fiber.place) == 0) _longjmp(running->scheduler, 1);
}

static inline void enter() {
    (*running->body)();
    wait(3);
}

// Lets a thread run until it waits. Not inlined: jumps spare no registers of others.
[[gnu::noinline]] static void resume(Fiber& fiber) {
    if (_setjmp(running->scheduler) != 0) return;
    if (fiber.has_begun) _longjmp(fiber.place, 1);
    fiber.has_begun = true;
    swapcontext(&running->beginning, &fiber.context);
}

// Whether all of some threads wait for the same; then they run on.
static inline bool release(u32 first, u32 count, int state) {
    for (u32 at = first; at < first + count; at++)
        if (running->fibers[at].state != state) return false;
    for (u32 at = first; at < first + count; at++) running->fibers[at].state = 0;
    return true;
}

// Lets the threads take turns until all have ended. `order` 0 begins with the first
// thread, 1 with the last, others mix them.
static inline void take_turns(u32 threads, u32 order) {
    u32 ended = 0, round = 0;
    while (ended < threads) {
        bool moved = false;
        for (u32 turn = 0; turn < threads; turn++) {
            u32 at = order == 0 ? turn : order == 1 ? threads - 1 - turn : (turn * (2 * order + 1) + round) % threads;
            Fiber& fiber = running->fibers[at];
            if (fiber.state != 0) continue;
            running->current = at;
            resume(fiber);
            moved = true;
            if (fiber.state == 3) ended++;
            u32 warp = at / LANES * LANES;
            if (fiber.state == 1) release(warp, LANES, 1);
        }
        round++;
        if (release(0, threads, 2)) moved = true;
        if (!moved && ended < threads) {
            std::fprintf(stderr, "a thread waits for others that never come\n");
            std::abort();
        }
    }
}

// Runs the block whose turn it is.
[[gnu::noinline]] static void run_block(u32 threads, u32 order) {
    // What a block finds in shared memory is what another left there.
    std::memset(running->shared.data(), 0xa5, running->shared.size());
    for (Fiber& fiber : running->fibers) {
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack.data();
        fiber.context.uc_stack.ss_size = fiber.stack.size();
        fiber.context.uc_link = nullptr;
        fiber.state = 0;
        fiber.has_begun = false;
        fiber.copies.assign(1, {});
        makecontext(&fiber.context, enter, 0);
    }
    take_turns(threads, order);
}

// Runs a kernel: blocks one after another, the last first where `order` is odd, with
// `threads` (whole warps) in each.
static inline void launch(u32 grid_x, u32 grid_y, u32 threads, size_t shared_bytes, u32 order, const std::function<void()>& body) {
    Block block;
    block.fibers.resize(threads);
    block.exchanges.resize(threads / LANES);
    block.shared.resize(shared_bytes + 16);
    block.body = &body;
    block.grid_x = grid_x;
    for (Fiber& fiber : block.fibers) fiber.stack.resize(STACK_BYTES);
    running = &block;
    u32 blocks = grid_x * grid_y;
    for (u32 turn = 0; turn < blocks; turn++) {
        u32 at = order % 2 == 0 ? turn : blocks - 1 - turn;
        block.x = at % grid_x;
        block.y = at / grid_x;
        run_block(threads, order);
    }
    running = nullptr;
}

// Every lane of a warp shows some words, then looks at those of all.
template <class Look> static inline auto exchange(const u64* words, u32 count, Look look) {
    u32 at = running->current;
    Exchange& place = running->exchanges[at / LANES];
    std::memcpy(place.words[at % LANES], words, count * sizeof(u64));
    wait(1);
    auto seen = look(place);
    wait(1);
    return seen;
}

} // namespace host

DEVICE u32 thread_at() { return host::running->current; }
DEVICE u32 block_x() { return host::running->x; }
DEVICE u32 block_y() { return host::running->y; }
DEVICE u32 grid_x() { return host::running->grid_x; }
DEVICE void* dynamic_shared() {
    size_t at = (size_t)host::running->shared.data();
    return (void*)((at + 15) / 16 * 16);
}
DEVICE void sync_block() { host::wait(2); }
DEVICE void sync_warp() { host::wait(1); }

template <class T> DEVICE T shuffle_xor(T value, u32 mask) {
    u64 word = 0;
    std::memcpy(&word, &value, sizeof value);
    u32 other = thread_at() % host::LANES ^ mask;
    u64 seen = host::exchange(&word, 1, [&](host::Exchange& all) { return all.words[other][0]; });
    std::memcpy(&value, &seen, sizeof value);
    return value;
}

DEVICE u32 atomic_add(u32* at, u32 value) {
    u32 was = *at;
    *at += value;
    return was;
}
DEVICE void atomic_min(u64* at, u64 value) {
    if (value < *at) *at = value;
}
DEVICE u64 load_fresh(const u64* at) { return *at; }
DEVICE float float_of(u32 bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}
DEVICE u32 bits_of(float value) {
    u32 bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}
DEVICE u32 bits_of(int value) { return (u32)value; }
DEVICE float multiply_add(float a, float b, float sum) { return std::fma(a, b, sum); }

DEVICE float half_to_float(u32 half) {
    u32 sign = (half & 0x8000) << 16, exponent = half >> 10 & 31, mantissa = half & 1023;
    if (exponent == 31) return float_of(sign | 0x7f800000u | mantissa << 13);
    if (exponent == 0) {
        float value = std::ldexp((float)mantissa, -24);
        return sign ? -value : value;
    }
    return float_of(sign | (exponent + 112) << 23 | mantissa << 13);
}

DEVICE void copy_async(void* to, const void* from) {
    host::running->fibers[thread_at()].copies.back().push_back({to, from});
}
DEVICE void commit_copies() { host::running->fibers[thread_at()].copies.push_back({}); }
template <int Behind> DEVICE void wait_copies() {
    auto& groups = host::running->fibers[thread_at()].copies;
    // The last group is the one not yet committed.
    while (groups.size() > Behind + 1u) {
        for (host::Copy copy : groups.front()) std::memcpy(copy.to, copy.from, 16);
        groups.erase(groups.begin());
    }
}

namespace host {

// The product of two tiles: each lane shows its parts, the manual's tables say where
// in A (16 rows) and B (8 columns) they belong; a word holds `per_word` elements.
template <class Sum, class Widen>
static inline void mma(Sum (&c)[4], const u32 (&a)[4], const u32 (&b)[2], u32 per_word, Widen widen) {
    u64 words[4] = {a[0], a[1], a[2], a[3]};
    u64 columns[4] = {b[0], b[1], 0, 0};
    u32 lane = running->current % LANES, group = lane / 4, in_group = lane % 4;
    u32 rows[2][8];
    exchange(words, 4, [&](Exchange& all) {
        for (u32 word = 0; word < 8; word++)
            for (u32 row = 0; row < 2; row++)
                rows[row][word] = (u32)all.words[group * 4 + word % 4][row + 2 * (word / 4)];
        return 0;
    });
    exchange(columns, 2, [&](Exchange& all) {
        for (u32 at = 0; at < 4; at++) {
            u32 column = 2 * in_group + at % 2;
            for (u32 word = 0; word < 8; word++)
                for (u32 element = 0; element < per_word; element++)
                    c[at] += widen(rows[at / 2][word], element) *
                             widen((u32)all.words[column * 4 + word % 4][word / 4], element);
        }
        return 0;
    });
}

} // namespace host

DEVICE void mma_tf32(float (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) {
    host::mma(c, a, b, 1, [](u32 word, u32) { return float_of(word & 0xffffe000u); });
}
DEVICE void mma_f16(float (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) {
    host::mma(c, a, b, 2, [](u32 word, u32 at) { return half_to_float(word >> 16 * at & 0xffff); });
}
DEVICE void mma_bf16(float (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) {
    host::mma(c, a, b, 2, [](u32 word, u32 at) { return float_of(word >> 16 * at << 16); });
}
DEVICE void mma_i8(int (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) {
    host::mma(c, a, b, 4, [](u32 word, u32 at) { return (int)(signed char)(word >> 8 * at); });
}
DEVICE void mma_u8(int (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) {
    host::mma(c, a, b, 4, [](u32 word, u32 at) { return (int)(word >> 8 * at & 255); });
}
