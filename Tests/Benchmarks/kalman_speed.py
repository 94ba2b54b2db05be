#!/usr/bin/env python3
"""The filter's rows a second beside NumPy, SciPy and JAX, in one run, one thread each.

    swift build -c release
    python3 Tests/Benchmarks/kalman_speed.py .build/release/bnn-update [--runs 5] [--rows 50000] [--jax PYTHON]

A stream into a 10-32-1 tanh network, 385 weights, one update a row. The rivals are the extended Kalman filter with a full
covariance as one writes it: NumPy in double and single precision, SciPy's in-place symmetric products in both, and, with the
Python of an environment that has it, a compiled `lax.scan` of JAX in single precision, which needs all rows beforehand (its
compilation is not counted). They are timed inside their process, data loaded. Ours is the whole process of `update` from
.npy: start, reading, row digests, forming and writing the posterior included. All take turns; medians of the runs, in rows
a second of wall time and of processor time (user and system), which other jobs on the machine change less.

Not part of any test.
"""
import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
import numpy as np

UNITS, INPUTS = 32, 10


def start(dtype):
    r = np.random.default_rng(0)
    parts = [r.standard_normal(INPUTS * UNITS) / INPUTS**0.5, np.zeros(UNITS), r.standard_normal(UNITS) / UNITS**0.5, [0.0]]
    return np.concatenate(parts).astype(dtype)


def linearise(w, x, h):
    """f and its derivatives, into h."""
    n = INPUTS * UNITS
    a = np.tanh(w[:n].reshape(UNITS, INPUTS) @ x + w[n : n + UNITS])
    v = w[n + UNITS : n + 2 * UNITS]
    d = v * (1 - a * a)
    h[:n] = np.outer(d, x).ravel()
    h[n : n + UNITS] = d
    h[n + UNITS : n + 2 * UNITS] = a
    h[-1] = 1
    return v @ a + w[-1]


def numpy_filter(dtype):
    def run(X, Y):
        w = start(dtype)
        P, R, h = np.eye(len(w), dtype=dtype) * dtype(0.1), dtype(0.01), np.empty(len(w), dtype)
        X, Y = X.astype(dtype), Y.astype(dtype)
        began = time.perf_counter(), time.process_time()
        for x, y in zip(X, Y):
            e = y - linearise(w, x, h)
            k = P @ h
            s = k @ h + R
            w += k * (e / s)
            P -= np.outer(k / s, k)
        return time.perf_counter() - began[0], time.process_time() - began[1]
    return run


def scipy_filter(dtype):
    def run(X, Y):
        from scipy.linalg import blas
        symv, syr = (blas.dsymv, blas.dsyr) if dtype == np.float64 else (blas.ssymv, blas.ssyr)
        w = start(dtype)
        P, h = np.asfortranarray(np.eye(len(w), dtype=dtype) * dtype(0.1)), np.empty(len(w), dtype)
        X, Y = X.astype(dtype), Y.astype(dtype)
        began = time.perf_counter(), time.process_time()
        for x, y in zip(X, Y):
            e = y - linearise(w, x, h)
            k = symv(1.0, P, h, lower=1)
            s = k @ h + dtype(0.01)
            w += k * (e / s)
            P = syr(-1 / s, k, lower=1, a=P, overwrite_a=1)
        return time.perf_counter() - began[0], time.process_time() - began[1]
    return run


def jax_filter(X, Y):
    import jax, jax.numpy as jnp
    n = INPUTS * UNITS
    f = lambda w, x: w[n + UNITS : n + 2 * UNITS] @ jnp.tanh(w[:n].reshape(UNITS, INPUTS) @ x + w[n : n + UNITS]) + w[-1]

    def step(state, row):
        w, P = state
        x, y = row
        o, h = jax.value_and_grad(f)(w, x)
        k = P @ h
        s = k @ h + 0.01
        return (w + k * ((y - o) / s), P - jnp.outer(k / s, k)), y - o

    w = jnp.array(start(np.float32))
    state, rows = (w, jnp.eye(len(w)) * 0.1), (jnp.array(X, jnp.float32), jnp.array(Y, jnp.float32))
    run = jax.jit(lambda s, b: jax.lax.scan(step, s, b)).lower(state, rows).compile()
    began = time.perf_counter(), time.process_time()
    np.asarray(run(state, rows)[1])
    return time.perf_counter() - began[0], time.process_time() - began[1]


RIVALS = {
    "NumPy, double": numpy_filter(np.float64), "NumPy, single": numpy_filter(np.float32),
    "SciPy symv + syr, double": scipy_filter(np.float64), "SciPy symv + syr, single": scipy_filter(np.float32),
    "JAX scan, single": jax_filter,
}
OURS = {
    "full, double": ("full", []), "full, single": ("full", ["--single-precision"]),
    "low-rank 10, double": ("low-rank", []), "diagonal, double": ("diagonal", []),
    "diagonal, single": ("diagonal", ["--single-precision"]),
}


def child(name, folder):
    table = np.load(pathlib.Path(folder) / "stream.npy")
    print(json.dumps(RIVALS[name](table[:, :-1], table[:, -1])))


def process(words):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    out = subprocess.run(words, capture_output=True, text=True)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if out.returncode:
        sys.exit(out.stderr)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, out.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--rows", type=int, default=50000)
    parser.add_argument("--slow", type=int, default=10000, help="rows of the NumPy and SciPy rivals")
    parser.add_argument("--jax", help="a Python that has jax")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        (folder / "short").mkdir()
        r = np.random.default_rng(1)
        X = r.standard_normal((arguments.rows + 2000, INPUTS))
        y = np.tanh(X @ r.standard_normal((INPUTS, 5)) / 2) @ r.standard_normal(5) + 0.1 * r.standard_normal(len(X))
        table = np.c_[X, y]
        np.save(folder / "d1.npy", table[:2000])
        np.save(folder / "stream.npy", table[2000:])
        np.save(folder / "short" / "stream.npy", table[2000 : 2000 + arguments.slow])
        for structure in {own[0] for own in OURS.values()}:
            process([
                arguments.binary, "fit", folder / "d1.npy", "--target", str(INPUTS), "--method", "kalman", "--hidden",
                str(UNITS), "--structure", structure, "--rank", "10", "--threads", "1", "-o", folder / structure])
        figures = {}
        for _ in range(arguments.runs):
            for name in RIVALS:
                isJAX = name.startswith("JAX")
                if isJAX and not arguments.jax:
                    continue
                rows, where = (arguments.rows, folder) if isJAX else (arguments.slow, folder / "short")
                python = arguments.jax if isJAX else sys.executable
                wall, cpu = json.loads(process([python, __file__, "--child", name, where])[2])
                figures.setdefault(name, []).append((rows / wall, rows / cpu))
            for name, (structure, more) in OURS.items():
                wall, cpu, _ = process([
                    arguments.binary, "update", folder / structure, folder / "stream.npy", "--threads", "1", "--force",
                    *more, "-o", folder / "out"])
                figures.setdefault(f"bnn-update, {name}", []).append((arguments.rows / wall, arguments.rows / cpu))
        print("| filter | rows a second | of processor time |\n|---|---|---|")
        for name, values in figures.items():
            print(f"| {name} | {statistics.median(v[0] for v in values):,.0f} | {statistics.median(v[1] for v in values):,.0f} |")


if len(sys.argv) == 4 and sys.argv[1] == "--child":
    child(sys.argv[2], sys.argv[3])
else:
    main()
