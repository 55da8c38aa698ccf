#!/usr/bin/env python3
"""Times training steps of a peer framework on demand, for run.py.

    peer_worker.py BACKENDS FRAMEWORK WORKLOAD BATCH THREADS MODE default|tuned

BACKENDS is a folder with backend_torch.py, backend_jax.py ... and workloads.py, each backend a class
with train(workload, batch) and infer(workload, batch) returning step(i), and sync(result).
Each line "N" on stdin runs N steps, synchronises, and answers with the milliseconds per step."""
import os
import sys
import time

folder, framework, workload, batch, threads, mode, variant = sys.argv[1:8]
os.environ.update(OMP_NUM_THREADS=threads, JAX_PLATFORMS="cpu", TF_CPP_MIN_LOG_LEVEL="3",
                  TF_NUM_INTRAOP_THREADS=threads, TF_NUM_INTEROP_THREADS="1",
                  MALLOC_MMAP_THRESHOLD_="4294967296", MALLOC_TRIM_THRESHOLD_="17179869184")
if threads == "1":
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[-1]})
sys.path.insert(0, folder)
module = __import__("backend_" + framework.split("-")[0])
tuned = variant == "tuned"
if framework.startswith("torch"):
    backend = module.Backend(int(threads), tuned, framework == "torch-compile")
else:
    backend = module.Backend(int(threads), tuned)
step = backend.op(workload, mode) if workload.startswith("op-") else getattr(backend, mode)(workload, int(batch))
for i in range(20):
    out = step(i)
backend.sync(out)
print("ready", flush=True)
i = 20
for line in sys.stdin:
    steps = int(line)
    start = time.perf_counter()
    for i in range(i, i + steps):
        out = step(i)
    backend.sync(out)
    print((time.perf_counter() - start) * 1e3 / steps, flush=True)
