#!/usr/bin/env python3
"""Latency of bmc's library beside deployment engines, all in one run, in turn.

    deploy.py --backends FOLDER --artifacts FOLDER --engine NAME=PYTHON ... [--threads 1,2] [--batch 1]
              [--rounds 3] [--seconds 1] [--lock COMMAND] [--bmc build/bmc] [--host build/tools/deploy_host]

Runs under a Python with NumPy. FOLDER of --backends has the peers' own deploy.py (and workloads.py, whose
weights and inputs bmc is given, too); each engine runs in its own Python, times each call, and prints one
JSON line. bmc is measured twice: from C (deploy_host), and from Python through bindings/python, as the peers
are. Every round starts all engines anew, in an order that rotates. Of each engine the table has the median
over the rounds of its median, the lowest 99th percentile, the lowest load time and the most memory.
`import + load` of the peers is theirs; of bmc from C it is dlopen, open and the first call."""
import argparse
import json
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
RENAMED = {"d1": "net.dense1", "d2": "net.dense2", "d3": "net.dense3"}


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, value in tensors.items():
        raw = value.tobytes()
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def build(a, folder):
    """The mlp workload as a library with the peers' weights; its input as a file."""
    sys.path.insert(0, a.backends)
    sys.dont_write_bytecode = True
    import numpy as np
    import workloads
    weights = {}
    for key, value in workloads.params("mlp").items():
        layer, kind = key.split(".")
        weights[f"{RENAMED[layer]}.{kind}"] = np.ascontiguousarray(value)
    write_safetensors(f"{folder}/w.safetensors", weights)
    np.ascontiguousarray(workloads.batches("mlp", a.batch, 1)[0][0]).tofile(f"{folder}/x.raw")
    subprocess.run([a.bmc, f"{HERE}/mlp.bm", "-o", f"{folder}/mlp.so", "--no-train", "-q",
                    "--embed-weights", f"{folder}/w.safetensors"], check=True)


def from_python(library, raw, batch, threads, seconds):
    """What `deploy.py` of the peers does, for bmc: one JSON line."""
    start = time.perf_counter()
    sys.path.insert(0, f"{ROOT}/bindings/python")
    import numpy as np
    import bmc
    model = bmc.load(library)
    model.set_threads(threads)
    x = np.fromfile(raw, np.float32).reshape(batch, -1)
    out = np.empty_like(model.predict(x))
    load = time.perf_counter() - start
    predict = model.predict.prepare(x, out=out)
    for _ in range(50):
        predict()
    times, end, now = [], time.perf_counter() + seconds, time.perf_counter_ns
    while len(times) < 200 or time.perf_counter() < end:
        before = now()
        predict()
        times.append(now() - before)
    times.sort()
    import resource
    print(json.dumps({"median_us": times[len(times) // 2] / 1e3, "p99_us": times[len(times) * 99 // 100] / 1e3,
                      "min_us": times[0] / 1e3, "load_ms": load * 1e3,
                      "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                      "checksum": round(float(np.abs(out).mean()), 5)}))


def commands(a, folder, threads):
    """name -> command; a command prints one JSON line."""
    pin = ["taskset", "-c", str(max(os.sched_getaffinity(0)))] if threads == 1 else []
    numbers = [str(a.batch), "10", str(threads), str(a.seconds)]
    yield "bmc, from C", pin + [a.host, f"{folder}/mlp.so", "mlp", f"{folder}/x.raw", *numbers]
    yield "bmc, from Python", pin + [sys.executable, __file__, "--one", f"{folder}/mlp.so", f"{folder}/x.raw",
                                     str(a.batch), str(threads), str(a.seconds)]
    for engine in a.engine:
        name, python = engine.split("=", 1)
        yield name, [python, f"{a.backends}/deploy.py", "run", "--engine", name, "--workload", "mlp", "--batch",
                     str(a.batch), "--threads", str(threads), "--seconds", str(a.seconds), a.artifacts]


def one_run(a, command):
    done = subprocess.run(a.lock.split() + command, capture_output=True, text=True)
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            row = json.loads(line)
            row["load_ms"] = row.get("load_ms", row.get("load_s", 0) * 1e3)
            row["rss_mb"] = row.get("rss_mb", row.get("peak_rss_mb"))
            return row
    sys.exit(f"{command}: an engine that fails voids the run\n{done.stderr[-2000:]}")


def measure(a, folder, threads):
    engines = list(commands(a, folder, threads))
    rows = {name: [] for name, _ in engines}
    for number in range(a.rounds):
        shift = number % len(engines)
        for name, command in engines[shift:] + engines[:shift]:
            rows[name].append(one_run(a, command))
            print(f"{threads} threads, round {number}: {name} {rows[name][-1]['median_us']:.2f} us", file=sys.stderr)
    return rows


def table(rows, threads):
    middle = {name: statistics.median(r["median_us"] for r in runs) for name, runs in rows.items()}
    own = middle["bmc, from C"]
    print(f"\n{threads} thread{'s' * (threads > 1)}:\n")
    print("| engine | median µs | × bmc | p99 µs | p99 / median | load ms | memory MB | mean abs. output |")
    print("|---|---|---|---|---|---|---|---|")
    for name in sorted(rows, key=middle.get):
        runs = rows[name]
        best = min(runs, key=lambda r: r["p99_us"])
        print(f"| {name} | {middle[name]:.2f} | {middle[name] / own:.2f} | {best['p99_us']:.2f} | "
              f"{best['p99_us'] / best['median_us']:.2f} | {min(r['load_ms'] for r in runs):.2f} | "
              f"{max(r['rss_mb'] for r in runs):.1f} | {runs[0]['checksum']:.5f} |")


def main():
    if sys.argv[1:2] == ["--one"]:
        library, raw, batch, threads, seconds = sys.argv[2:]
        return from_python(library, raw, int(batch), int(threads), float(seconds))
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--backends", required=True)
    p.add_argument("--artifacts", required=True)
    p.add_argument("--engine", action="append", default=[])
    p.add_argument("--threads", default="1,2")
    p.add_argument("--batch", type=int, default=1)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--seconds", type=float, default=1)
    p.add_argument("--lock", default="")
    p.add_argument("--bmc", default=f"{ROOT}/build/bmc")
    p.add_argument("--host", default=f"{ROOT}/build/tools/deploy_host")
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        build(a, folder)
        for threads in map(int, a.threads.split(",")):
            table(measure(a, folder, threads), threads)


if __name__ == "__main__":
    main()
