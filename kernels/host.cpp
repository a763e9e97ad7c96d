// The kernels compiled for this CPU, for tests: started by name, like on a device.
#include "common.cuh"

#include "flat.cu"
#include "kmeans.cu"
#include "rerank.cu"
#include "select_topk.cu"

namespace {

// How a kernel is started.
struct Launch {
    u32 grid_x, grid_y, shared_bytes, order;
};

typedef void (*Start)(const Launch& launch, const void* args);

template <class Args, void (*body)(const Args&)> void start(const Launch& launch, const void* args) {
    Args copied = *(const Args*)args;
    host::launch(launch.grid_x, launch.grid_y, THREADS, launch.shared_bytes, launch.order, [&] { body(copied); });
}

struct Named {
    const char* name;
    Start start;
};

// The kernels of one element type, by the names of their sources.
template <class E> Start find_typed(const char* name) {
    static const Named all[] = {
        {"flat_scan_l2_1", start<FlatArgs, flat_scan<E, METRIC_L2, 1>>},
        {"flat_scan_l2_8", start<FlatArgs, flat_scan<E, METRIC_L2, 8>>},
        {"flat_scan_dot_1", start<FlatArgs, flat_scan<E, METRIC_DOT, 1>>},
        {"flat_scan_dot_8", start<FlatArgs, flat_scan<E, METRIC_DOT, 8>>},
        {"flat_tiles_l2_32", start<FlatArgs, flat_tiles<E, METRIC_L2, 1>>},
        {"flat_tiles_l2_128", start<FlatArgs, flat_tiles<E, METRIC_L2, 4>>},
        {"flat_tiles_dot_32", start<FlatArgs, flat_tiles<E, METRIC_DOT, 1>>},
        {"flat_tiles_dot_128", start<FlatArgs, flat_tiles<E, METRIC_DOT, 4>>},
        {"flat_row_norms", start<NormsArgs, row_norms<E>>},
        {"rerank_l2", start<RerankArgs, rerank<E, METRIC_L2>>},
        {"rerank_dot", start<RerankArgs, rerank<E, METRIC_DOT>>},
    };
    for (const Named& named : all)
        if (std::strcmp(named.name, name) == 0) return named.start;
    return nullptr;
}

Start find_plain(const char* name) {
    static const Named all[] = {
        {"select_topk_merge", start<SelectArgs, select_topk>},
        {"kmeans_assign_rows", start<AssignArgs, kmeans_assign>},
        {"kmeans_cluster_means", start<MeansArgs, kmeans_means>},
    };
    for (const Named& named : all)
        if (std::strcmp(named.name, name) == 0) return named.start;
    return nullptr;
}

} // namespace

// Runs a kernel to its end. `element` is the macro ELEMENT of the source, or empty.
// Returns 0, or 1 where there is no such kernel. One call at a time.
extern "C" int host_launch(const char* name, const char* element, const Launch* launch, const void* args) {
    Start found = nullptr;
    if (std::strcmp(element, "") == 0) found = find_plain(name);
    else if (std::strcmp(element, "F32") == 0) found = find_typed<F32>(name);
    else if (std::strcmp(element, "F16") == 0) found = find_typed<F16>(name);
    else if (std::strcmp(element, "BF16") == 0) found = find_typed<BF16>(name);
    else if (std::strcmp(element, "I8") == 0) found = find_typed<I8>(name);
    else if (std::strcmp(element, "U8") == 0) found = find_typed<U8>(name);
    if (found == nullptr) return 1;
    found(*launch, args);
    return 0;
}
