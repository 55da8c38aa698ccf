#!/usr/bin/env python3
"""Matrix products of bmc beside OpenBLAS, BLIS and oneDNN, one thread, interleaved.

    tools/bench/gemm.py [--bmc build/bmc] [--only REGEX] [--rounds 7] [--cblas NAME=PATH ...]

Compiles each shape of gemm_shapes.txt, three ways, with bmc, and times every engine in turn in one
process. Prints the share of the measured peak of multiply-adds, the ratio to the best peer, their
geometric mean and the worst. Needs a C compiler and, for oneDNN, its header.
"""
import argparse
import math
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
KINDS = ["forward", "dx", "dw"]
PLAIN = """export fn forward(x[{m}, {k}], w[{k}, {n}]) -> [{m}, {n}] = x @ w
export fn dx(dy[{m}, {n}], w[{k}, {n}]) -> [{m}, {k}] = dy @ w.T
export fn dw(x[{m}, {k}], dy[{m}, {n}]) -> [{k}, {n}] = x.T @ dy
"""
HEADS = """fn product(x[B, H, M, K], w[B, K, H, N]) -> [B, M, H, N] {{
  y[b, m, h, n] = sum[k](x[b, h, m, k] * w[b, k, h, n])
  return y
}}
fn by_x(dy[B, M, H, N], w[B, K, H, N]) -> [B, H, M, K] {{
  y[b, h, m, k] = sum[n](dy[b, m, h, n] * w[b, k, h, n])
  return y
}}
fn by_w(x[B, H, M, K], dy[B, M, H, N]) -> [B, K, H, N] {{
  y[b, k, h, n] = sum[m](x[b, h, m, k] * dy[b, m, h, n])
  return y
}}
export fn forward(x[{b}, {h}, {m}, {k}], w[{b}, {k}, {h}, {n}]) -> [{b}, {m}, {h}, {n}] = product(x, w)
export fn dx(dy[{b}, {m}, {h}, {n}], w[{b}, {k}, {h}, {n}]) -> [{b}, {h}, {m}, {k}] = by_x(dy, w)
export fn dw(x[{b}, {h}, {m}, {k}], dy[{b}, {m}, {h}, {n}]) -> [{b}, {k}, {h}, {n}] = by_w(x, dy)
"""


def shapes(path):
    for line in open(path):
        words = line.split("#")[0].split()
        if words:
            m, n, k, b, h = [int(w) for w in words[1:]] + [1, 1] * (len(words) == 4)
            yield {"name": words[0], "m": m, "n": n, "k": k, "b": b, "h": h}


def compiled(bmc, shape, folder, stem):
    source = os.path.join(folder, stem + ".bm")
    text = (PLAIN if shape["b"] * shape["h"] == 1 else HEADS).format(**shape)
    open(source, "w").write(text)
    library = os.path.join(folder, stem + ".so")
    subprocess.run([bmc, source, "-o", library], check=True, cwd=folder)
    return library


def libraries(given):
    if given:
        return given
    found = []
    for name, path in [("openblas", "/usr/lib/x86_64-linux-gnu/openblas-pthread/libopenblas.so.0"),
                       ("blis", "/usr/lib/x86_64-linux-gnu/blis-openmp/libblis.so.4")]:
        if os.path.exists(path):
            found.append(f"{name}={path}")
    return found


def worker(folder, blas):
    program = os.path.join(folder, "gemm_worker")
    dnnl = ["-ldnnl"] if os.path.exists("/usr/include/dnnl.h") else []
    subprocess.run(["cc", "-O2", "-march=native", os.path.join(HERE, "gemm_worker.c"), "-o", program,
                    "-ldl", "-lm", *dnnl], check=True)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
    environment.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", BLIS_NUM_THREADS="1")
    # Libraries take a processor younger than themselves for an old one: say what it can do.
    if "avx512f" in open("/proc/cpuinfo").read():
        environment.update(OPENBLAS_CORETYPE="SkylakeX", BLIS_ARCH_TYPE="skx")
    return subprocess.Popen([program, *blas], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                            env=environment)


def geometric(values):
    return math.exp(sum(map(math.log, values)) / len(values)) if values else float("nan")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bmc", action="append", help="a bmc; given again: builds to compare")
    parser.add_argument("--shapes", default=os.path.join(HERE, "gemm_shapes.txt"))
    parser.add_argument("--only", default="", help="names that match this")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--cblas", action="append", help="NAME=PATH of a CBLAS library")
    options = parser.parse_args()
    builds = [os.path.abspath(b) for b in options.bmc or ["build/bmc"]]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        process = worker(folder, libraries(options.cblas))
        for shape in shapes(options.shapes):
            if not re.search(options.only, shape["name"]):
                continue
            stem = shape["name"].replace("-", "_")
            paths = " ".join(f"{compiled(b, shape, folder, f'{stem}_{i}')} {stem}_{i}"
                             for i, b in enumerate(builds))
            for kind in options.kinds.split(","):
                numbers = " ".join(str(shape[c]) for c in "mnkbh")
                process.stdin.write(f"{paths} - {kind} {numbers} {options.rounds}\n")
                process.stdin.flush()
                answer = process.stdout.readline()
                if not answer:
                    sys.exit("the worker ended")
                figures = {k: float(v) for k, v in (w.split("=") for w in answer.split())}
                flops = 2.0 * math.prod(shape[c] for c in "mnkbh")
                peak = figures.pop("peak")
                share = {e: flops / ns / peak for e, ns in figures.items()}
                peers = {e: s for e, s in share.items() if not e.startswith("bmc")}
                best = max(peers, key=peers.get)
                rows.append((shape["name"], kind, share["bmc"] / peers[best], share["bmc"], peak))
                print(f"{shape['name']:12} {kind:8} {figures['bmc'] / 1e3:9.2f} us  ratio {rows[-1][2]:5.2f}  of peak:"
                      + "".join(f"  {e} {100 * s:5.1f}" for e, s in share.items())
                      + f"  ({peak:.0f} GFLOP/s)", flush=True)
        process.stdin.close()
        process.wait()
    ratios = [r[2] for r in rows]
    print(f"\n{len(rows)} products; best peer / bmc: geometric mean {geometric(ratios):.3f}, "
          f"{sum(r < 0.95 for r in ratios)} below 0.95")
    for kind in KINDS:
        some = [r[2] for r in rows if r[1] == kind]
        if some:
            print(f"  {kind}: {geometric(some):.3f}")
    print("  worst:", ", ".join(f"{r[0]} {r[1]} {r[2]:.2f}" for r in sorted(rows, key=lambda r: r[2])[:12]))


main()
