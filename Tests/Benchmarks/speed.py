#!/usr/bin/env python3
"""bnn-update beside NumPy at the same work, in one run: the README's table "How fast".

    swift build -c release
    python3 Tests/Benchmarks/speed.py .build/release/bnn-update [--runs 5] [--rows 200000] [--folder F]

Makes its inputs (about 1.2 GB) in a temporary folder, runs both sides alternately with one thread each, and prints
medians. NumPy's side is timed inside its process, without loading the data; the command's in two ways: the whole process
(user and system time), and inside (the `seconds` of --json, reading and writing included). Not part of any test.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time

os.environ["OPENBLAS_NUM_THREADS"] = "1"
import numpy as np  # noqa: E402

FEATURES = 500


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


# --- NumPy's side, each in a process of its own --------------------------------------------------


def gram(path):
    """The Gram matrix of [features target] and its Cholesky factor."""
    rows = np.load(path)
    start = time.perf_counter(), cpu()
    np.linalg.cholesky(rows.T @ rows)
    return time.perf_counter() - start[0], cpu() - start[1]


def jacobian(x, w1, b1, w2, b2):
    """[J · f] of an 8-50-1 tanh network, the column of the target left free, and f."""
    hidden = np.tanh(x @ w1.T + b1)
    delta = (1 - hidden * hidden) * w2
    rows = np.empty((len(x), 502))
    np.multiply(delta[:, :, None], x[:, None, :], out=rows[:, :400].reshape(len(x), 50, 8))
    rows[:, 400:450], rows[:, 450:500], rows[:, 500] = delta, hidden, 1
    return rows, (hidden @ w2.T + b2)[:, 0]


def tangent(path):
    """The tangent update of an 8-50-1 network: Jacobian rows, QR onto the earlier array, the evidence's maximum over the
    prior precision from one singular value decomposition, and the posterior at it by QR."""
    data = np.load(path)
    x, y = data[:, :8], data[:, 8]
    random = np.random.default_rng(0)
    net = (
        0.3 * random.standard_normal((50, 8)), 0.3 * random.standard_normal(50),
        0.3 * random.standard_normal((1, 50)), np.zeros(1),
    )
    theta = np.concatenate([part.ravel() for part in net])
    first, f = jacobian(x[:4096], *net)
    first[:, 501] = y[:4096] - f
    earlier = np.linalg.qr(first, mode="r")
    p, n = 501, 4096 + len(x)

    start = time.perf_counter(), cpu()
    rows, f = jacobian(x, *net)
    rows[:, p] = y - f
    array = np.linalg.qr(np.vstack([earlier, rows]), mode="r")
    u, s, _ = np.linalg.svd(array[:p, :p])
    z, s2, residual = (u.T @ (array[:p, p] + array[:p, :p] @ theta)) ** 2, s * s, array[p, p] ** 2

    def slope(log_kappa):
        kappa = np.exp(log_kappa)
        total = s2 + kappa
        squares = residual + np.sum(kappa * z / total)
        return np.sum(s2 / total) - np.sum(kappa * z * s2 / total**2) / (squares / n)

    lattice = np.linspace(-12, 12, 193) * np.log(10)
    slopes = [slope(point) for point in lattice]
    best = lattice[-1]
    for i in range(1, len(lattice)):
        if slopes[i - 1] > 0 >= slopes[i]:
            low, high = lattice[i - 1], lattice[i]
            for _ in range(50):
                middle = (low + high) / 2
                low, high = (middle, high) if slope(middle) > 0 else (low, middle)
            best = low
    root = np.exp(best / 2)
    prior = root * np.hstack([np.eye(p), -theta[:, None]])
    formed = np.linalg.qr(np.vstack([prior, array]), mode="r")
    np.linalg.solve(formed[:p, :p], formed[:p, p])
    return time.perf_counter() - start[0], cpu() - start[1]


# --- Inputs --------------------------------------------------------------------------------------


def write_inputs(folder, rows):
    random = np.random.default_rng(1)
    weights = random.standard_normal(FEATURES)
    array = np.lib.format.open_memmap(
        f"{folder}/linear.npy", mode="w+", dtype="<f8", shape=(rows, FEATURES + 1))
    for start in range(0, rows, 10_000):
        x = random.standard_normal((min(10_000, rows - start), FEATURES))
        array[start:start + len(x), :FEATURES] = x
        array[start:start + len(x), FEATURES] = x @ weights + random.standard_normal(len(x))
    array.flush()
    x = random.standard_normal((2000, FEATURES))
    np.save(f"{folder}/linear1.npy", np.column_stack([x, x @ weights + random.standard_normal(2000)]))
    offset = np.lib.format.open_memmap(
        f"{folder}/offset.npy", mode="w+", dtype="<f8", shape=(rows, FEATURES + 1))
    np.add(array, 1000.0, out=offset)
    offset.flush()

    x = random.standard_normal((12_288, 8))
    y = np.sin(x[:, 0]) + 0.5 * x[:, 1] * x[:, 2] + 0.1 * random.standard_normal(len(x))
    both = np.column_stack([x, y])
    np.save(f"{folder}/tangent1.npy", both[:4096])
    np.save(f"{folder}/tangent.npy", both[4096:])

    for name, form, scale, size in [("digits17", "%.17g", 1, 200e6), ("digits2", "%.2f", 100, 100e6)]:
        with open(f"{folder}/{name}.csv", "w") as file, open(f"{folder}/{name}1.csv", "w") as first:
            for out in (file, first):
                out.write(",".join([f"x{i}" for i in range(9)] + ["y"]) + "\n")
            while file.tell() < size:
                x = scale * random.standard_normal((10_000, 10))
                x[:, 9] += x[:, :9].sum(1)
                text = "".join(",".join(form % v for v in row) + "\n" for row in x)
                (first if first.tell() < 1000 else file).write(text)


# --- Both sides in turn --------------------------------------------------------------------------


def numpy_side(work, path):
    environment = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    out = subprocess.run(
        [sys.executable, __file__, "--numpy", work, path], env=environment, check=True, capture_output=True)
    return json.loads(out.stdout)


def command_side(arguments, pipe=None):
    """Inside (wall), whole process (processor time), peak memory in MB, rows."""
    source = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) if pipe else None
    process = subprocess.Popen(
        arguments + ["--json", "--quiet", "--threads", "1", "--force"], stdout=subprocess.PIPE,
        stdin=source.stdout if source else subprocess.DEVNULL)
    result = json.loads(process.stdout.read())
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{arguments} failed")
    if source:
        source.wait()
    return result["seconds"], usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, result["rows"]


def compare(name, work, path, update, runs):
    numpy_runs, command_runs = [], []
    for _ in range(runs):
        numpy_runs.append(numpy_side(work, path))
        command_runs.append(command_side(update))
    wall, own = (statistics.median(run[k] for run in numpy_runs) for k in (0, 1))
    inside, whole, memory = (statistics.median(run[k] for run in command_runs) for k in (0, 1, 2))
    print(f"| {name} | {wall:.3f} | {own:.3f} | {inside:.3f} | {whole:.3f} | {whole / own:.2f} | {memory:.0f} |", flush=True)


def rate(name, path, update, runs, pipe=None):
    each = [command_side(update, pipe) for _ in range(runs)]
    inside, whole, memory = (statistics.median(run[k] for run in each) for k in (0, 1, 2))
    size = os.path.getsize(path) / 1e6
    fields = 10 * each[0][3] / 1e6
    print(
        f"| {name} | {size:.0f} | {inside:.3f} | {whole:.3f} | {size / whole:.0f} | {fields / whole:.1f} | {memory:.0f} |",
        flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--folder", help="keep the inputs here, and use those that are there")
    options = parser.parse_args()
    command = os.path.abspath(options.command)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or temporary
        os.makedirs(folder, exist_ok=True)
        if not os.path.exists(f"{folder}/digits2.csv"):
            # In a process of its own: a child's peak memory counts from its parent's.
            subprocess.run([sys.executable, __file__, "--inputs", folder, str(options.rows)], check=True)
        os.chdir(folder)

        def fit(data, target, method):
            command_side([command, "fit", data, "--target", target, "--method", method, "-o", f"{data}.p"])
            return [command, "update", f"{data}.p"]

        print(f"{platform.machine()}, NumPy {np.__version__}, Python {platform.python_version()}, one thread each;")
        print(f"medians of {options.runs} runs in turn, seconds\n")
        print("| | NumPy: wall | processor | bnn-update: inside, wall | whole process, processor | ratio | MB |")
        print("|---|---|---|---|---|---|---|")
        linear = fit("linear1.npy", str(FEATURES), "linear")
        compare("linear, against Gram and Cholesky", "gram", "linear.npy",
                linear + ["linear.npy", "-o", "linear.p"], options.runs)
        compare("the same, columns 1,000 deviations from zero", "gram", "offset.npy",
                linear + ["offset.npy", "-o", "linear.p"], options.runs)
        compare("tangent 8-50-1, 8,192 rows", "tangent", "tangent.npy",
                fit("tangent1.npy", "8", "tangent") + ["tangent.npy", "-o", "tangent.p"], options.runs)
        print("\n| | MB | inside, wall | whole process, processor | MB/s | million fields/s | peak MB |")
        print("|---|---|---|---|---|---|---|")
        for name, what in [("digits17", "csv, 17 digits"), ("digits2", "csv, 2 decimals")]:
            update = fit(f"{name}1.csv", "y", "linear")
            rate(what, f"{name}.csv", update + [f"{name}.csv", "-o", "csv.p"], options.runs)
            rate(what + ", from a pipe", f"{name}.csv", update + ["-", "--format", "csv", "-o", "csv.p"],
                 options.runs, pipe=f"{name}.csv")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inputs"]:
        write_inputs(sys.argv[2], int(sys.argv[3]))
    elif sys.argv[1:2] == ["--numpy"]:
        print(json.dumps({"gram": gram, "tangent": tangent}[sys.argv[2]](sys.argv[3])))
    else:
        main()
