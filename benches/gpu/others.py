"""Times exact search by torch, faiss and cuVS on the GPU, whichever Python has.

The sets and batches of `vicinal bench gpu`: random float rows, L2, k = 10. One line of
JSON for each; the fastest of five batches counts, with the queries' way to the device.
"""

import importlib.util
import json
import time

SETS = [(1_000_000, 128), (1_000_000, 768), (10_000_000, 128)]
BATCHES = [1, 10, 100, 1_000, 10_000]
K = 10
PASSES = 5
# Keys of a batch that lie in device memory at once.
KEYS_MAX = 2_000_000_000


def timed(search):
    best = float("inf")
    for _ in range(PASSES):
        started = time.perf_counter()
        search()
        best = min(best, time.perf_counter() - started)
    return best


def say(library, rows, dim, batch, seconds):
    print(json.dumps({
        "lib": library, "rows": rows, "dim": dim, "batch": batch,
        "millis": seconds * 1e3, "queries_per_second": batch / seconds,
    }), flush=True)


def torch_search(torch, rows, norms, queries):
    step = max(1, KEYS_MAX // len(rows))
    for first in range(0, len(queries), step):
        part = queries[first:first + step].cuda()
        keys = torch.addmm(norms, part, rows.T, alpha=-2.0)
        torch.topk(keys, K, largest=False)[1].cpu()


def main():
    if importlib.util.find_spec("torch") is None:
        print("python3 has no torch: nothing to compare with")
        return
    import torch

    if not torch.cuda.is_available():
        print("torch finds no GPU: nothing to compare with")
        return
    torch.backends.cuda.matmul.allow_tf32 = True
    has_faiss = importlib.util.find_spec("faiss") is not None
    has_cuvs = importlib.util.find_spec("cuvs") is not None
    for count, dim in SETS:
        rows = torch.rand(count, dim) * 2 - 1
        on_device = rows.cuda()
        norms = (on_device * on_device).sum(1)
        flat = index = None
        if has_faiss:
            import faiss

            if hasattr(faiss, "GpuIndexFlatL2"):
                flat = faiss.GpuIndexFlatL2(faiss.StandardGpuResources(), dim)
                flat.add(rows.numpy())
        if has_cuvs:
            from cuvs.neighbors import brute_force

            index = brute_force.build(on_device, metric="sqeuclidean")
        for batch in BATCHES:
            queries = torch.rand(batch, dim) * 2 - 1
            say("torch matmul + topk", count, dim, batch,
                timed(lambda: torch_search(torch, on_device, norms, queries)))
            if flat is not None:
                say("faiss GpuIndexFlatL2", count, dim, batch,
                    timed(lambda: flat.search(queries.numpy(), K)))
            if index is not None:
                def search():
                    brute_force.search(index, queries.cuda(), K)
                    torch.cuda.synchronize()

                say("cuvs brute_force", count, dim, batch, timed(search))
        del rows, on_device, norms, flat, index
        torch.cuda.empty_cache()


main()
