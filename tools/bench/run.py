#!/usr/bin/env python3
"""bmc against its peers on one workload, interleaved in one run.

    tools/bench/run.py --model MODEL.so --entry ENTRY --batch B --workload NAME --backends FOLDER
                       [--python NAME=PATH ...] [--peers torch:default,torch:tuned,jax:default,...]
                       [--threads 2] [--rounds 30] [--chunk-ms 150] [--json]

Every worker is started once and warmed up; then each round times one chunk of each, in an order that
rotates. Reported: each worker's minimum and median, and the ratio best peer / bmc round by round: its
median with a 95 % interval from order statistics (no assumption on the noise). The best peer of a round
is the fastest peer of that round, which favours the peers."""
import argparse
import json
import math
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


class Worker:
    """A process that runs N steps on request. Only one works at a time."""

    def __init__(self, name, command):
        self.name = name
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.times = []
        self.steps = 1

    def wait_ready(self):
        line = self.process.stdout.readline()
        if line.strip() != "ready":
            sys.exit(f"{self.name} did not start; a peer that fails voids the row")

    def run(self, steps):
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} died; a worker that fails voids the row")
        return float(line)

    def latency(self, calls):
        """Median and 99th percentile of single calls, in milliseconds."""
        self.process.stdin.write(f"each {calls}\n")
        self.process.stdin.flush()
        middle, high = map(float, self.process.stdout.readline().split())
        return {"p50": middle, "p99": high, "calls": calls}

    def close(self):
        """Ends the process; the most memory it had, in MiB."""
        self.process.stdin.close()
        _, _, usage = os.wait4(self.process.pid, 0)
        return usage.ru_maxrss / 1024

    def calibrate(self, chunk_ms):
        once = self.run(5)
        once = self.run(max(5, int(20 / once)))
        self.steps = max(1, int(chunk_ms / once))


def median_interval(values):
    """Median and its 95 % interval by order statistics of the binomial distribution."""
    ordered, n = sorted(values), len(values)
    low = int(math.floor(n / 2 - 0.98 * math.sqrt(n)))
    low = max(0, low)
    return statistics.median(ordered), ordered[low], ordered[n - 1 - low]


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--worker", default=os.path.join(HERE, "../../build/tools/step_worker"))
    a.add_argument("--model", required=True)
    a.add_argument("--symbol", required=True, help="descriptor symbol in the .so, e.g. mlp_model")
    a.add_argument("--entry", default="step")
    a.add_argument("--batch", required=True)
    a.add_argument("--workload", required=True)
    a.add_argument("--mode", default="train", choices=("train", "infer"))
    a.add_argument("--backends", required=True)
    a.add_argument("--python", action="append", default=[], help="framework=interpreter")
    a.add_argument("--peers", default="torch:default,torch:tuned,jax:default,jax:tuned")
    a.add_argument("--threads", default="2")
    a.add_argument("--rounds", type=int, default=30)
    a.add_argument("--chunk-ms", type=float, default=150)
    a.add_argument("--json", action="store_true")
    a = a.parse_args()
    python = dict(p.split("=", 1) for p in a.python)
    workers, peers = [], []
    for peer in a.peers.split(","):
        framework, variant = peer.split(":")
        command = [python.get(framework, sys.executable), os.path.join(HERE, "peer_worker.py"), a.backends,
                   framework, a.workload, a.batch, a.threads, a.mode, variant]
        peers.append(Worker(peer, command))
    for worker in peers:  # they start and compile side by side
        worker.wait_ready()
        workers.append(worker)
    ours = Worker("bmc", [a.worker, a.model, a.symbol, a.entry, a.batch, a.threads])
    workers.append(ours)
    for w in workers:
        w.calibrate(a.chunk_ms)
    for round_number in range(a.rounds):
        for i in range(len(workers)):
            w = workers[(round_number + i) % len(workers)]
            w.times.append(w.run(w.steps))
    ratios = [min(w.times[r] for w in workers[:-1]) / ours.times[r] for r in range(a.rounds)]
    middle, low, high = median_interval(ratios)
    row = {"workload": a.workload, "mode": a.mode, "batch": int(a.batch), "threads": int(a.threads),
           "rounds": a.rounds, "ratio": round(middle, 3), "low": round(low, 3), "high": round(high, 3),
           "ms": {w.name: {"min": round(min(w.times), 6), "median": round(statistics.median(w.times), 6)}
                  for w in workers},
           "samples": {w.name: [round(t, 6) for t in w.times] for w in workers}}
    if a.mode == "infer" and int(a.batch) == 1:
        row["latency_ms"] = ours.latency(min(100000, max(100, int(500 / max(min(ours.times), 1e-6)))))
    row["rss_mb"] = {w.name: round(w.close(), 1) for w in workers}
    if a.json:
        print(json.dumps(row))
    else:
        for name, t in row["ms"].items():
            print(f"{name:16s} min {t['min']:9.4f} ms   median {t['median']:9.4f} ms")
        print(f"best peer / bmc: {middle:.3f}  (95 % interval {low:.3f} to {high:.3f}, {a.rounds} rounds)")


if __name__ == "__main__":
    main()
