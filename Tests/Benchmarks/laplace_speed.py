#!/usr/bin/env python3
"""bnn-update's Laplace posteriors beside PyTorch and laplace-torch at the same work, in one run, one thread each.

    swift build -c release
    PEERS_HOME=~/peers python3 Tests/Benchmarks/laplace_speed.py .build/release/bnn-update [--runs 3] [--only uci]

The rivals are the scripts of ../shared/peers (beside the repository), run by the Python of $PEERS_HOME/venv; README
there says how to set it up. Without them our side runs alone, and what needs their data is skipped. Both sides take
turns, and every figure is the median of the runs: the rivals' of a phase inside their process, data loaded; ours of the
same phase inside ours (`timings` of --json), and for predictions of the whole process, reading and writing included. A
Kronecker fit of laplace-torch includes the factors' eigendecomposition. Our training of classes takes one pass more than
was asked for, for the rows that waited to judge the spread by, and that judgement is counted. Where several rivals do
the same work the ratio is to the fastest. Beside the wall time stands the processor time (user and system), which other jobs on the machine
change less: of the phase at the rivals; at ours the phase's part of the process's, by their wall times.

fashion   Fashion-MNIST (Debian package dataset-fashion-mnist), 784-100-100-10 relu, all 60,000 rows
uci       7,373 rows of 8 features, 50 tanh units
permuted  three tasks of permuted Fashion-MNIST, one after the other: accuracy at the end, and seconds

Not part of any test.
"""

import argparse
import gzip
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

IMAGES = pathlib.Path("/usr/share/datasets/fashion-mnist")
SCRIPTS = pathlib.Path(__file__).resolve().parents[3] / "shared" / "peers"
EPOCHS = 5
#: Rows that the rivals' linearised predictive is timed on; they need minutes for all 10,000.
PREDICTED = 250


# --- Running the two sides -------------------------------------------------------------------------


class Rivals:
    """The scripts of ../shared/peers, each run in a process of its own."""

    def __init__(self, scripts, home):
        python = pathlib.Path(home) / "venv" / "bin" / "python"
        missing = [str(path) for path in (scripts / "common.py", python) if not path.exists()]
        self.missing = ", ".join(missing)
        self.scripts, self.home, self.python = scripts, home, python
        self.runs = {}

    def run(self, script, peer):
        if self.missing:
            return
        environment = dict(os.environ, PEERS_HOME=str(self.home), M=str(PREDICTED), PYTHONDONTWRITEBYTECODE="1")
        out = subprocess.run(
            [self.python, "-W", "ignore", f"{script}.py", "--peer", peer, "--threads", "1"],
            cwd=self.scripts, env=environment, capture_output=True, text=True)
        lines = [line for line in out.stdout.splitlines() if line.startswith("@@")]
        if not lines:
            say(f"{script} {peer} failed: {(out.stderr.strip().splitlines() or ['no message'])[-1]}")
            return
        self.runs.setdefault(peer, []).append(json.loads(lines[0][2:]))

    def seconds(self, peer, phase, scale=1):
        """Wall and processor time of a phase (medians), or None."""
        runs = [run for run in self.runs.get(peer, []) if phase in run["t"] and phase in run["cpu"]]
        if not runs:
            return None
        return tuple(scale * statistics.median([v for run in runs for v in run[key][phase]]) for key in ("t", "cpu"))

    def quality(self, peer):
        return self.runs[peer][0]["q"] if self.runs.get(peer) else None

    def megabytes(self, peer):
        return max((run["rss"] for run in self.runs.get(peer, [])), default=None)


class Command:
    def __init__(self, path):
        self.path = path
        self.runs = {}

    def run(self, name, *arguments):
        """Runs the command, and keeps its JSON (of `predict` nothing), wall and processor time and peak memory."""
        predict = arguments[0] == "predict"
        options = ["--quiet", "--threads", "1"] + ([] if predict else ["--json"])
        start = time.perf_counter()
        process = subprocess.Popen(
            [self.path, *map(str, arguments), *options], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        text = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if status:
            say(f"bnn-update {' '.join(map(str, arguments))}: exit {process.returncode}")
            return None
        run = {
            "json": {} if predict else json.loads(text), "wall": wall,
            "processor": usage.ru_utime + usage.ru_stime, "megabytes": usage.ru_maxrss / 1024,
        }
        self.runs.setdefault(name, []).append(run)
        return run

    def median(self, name, value):
        """Of `value(run)` over the runs, or None where a run lacks it."""
        values = [value(run) for run in self.runs.get(name, [])]
        return statistics.median(values) if values and None not in values else None


def say(text):
    print(f"laplace_speed.py: {text}", file=sys.stderr, flush=True)


# --- Tables ----------------------------------------------------------------------------------------


def number(value, digits=3):
    return "—" if value is None else f"{value:.{digits}g}" if value < 100 else f"{value:.0f}"


def phase(name, divisor=1):
    def value(run):
        seconds = run["json"].get("timings", {}).get(name)
        return None if seconds is None else seconds / divisor
    return value


def shared(value):
    """The processor time in `value(run)` seconds of wall time, at the share that the whole process had of its own."""
    def processor(run):
        seconds = value(run)
        return None if seconds is None else seconds * run["processor"] / run["wall"]
    return processor


def table(title, rows, rivals, command):
    """Rows of (what, [(rival, its phase, scale, label)], our run, our seconds of a run, the ratio asked for)."""
    print(f"\n{title}\n")
    print("| | rival | wall s | processor s | bnn-update: wall s | processor s "
          "| ratio, wall | ratio, processor | asked |")
    print("|---|---|---|---|---|---|---|---|---|")
    for what, peers, name, value, asked in rows:
        timed = [(rivals.seconds(*peer), label) for *peer, label in peers]
        timed = sorted(((time, label) for time, label in timed if time), key=lambda pair: pair[0][1])
        theirs, label = timed[0] if timed else ((None, None), " or ".join(peer[-1] for peer in peers))
        ours = (command.median(name, value), command.median(name, shared(value)))
        ratios = [number(a / b if a and b else None) for a, b in zip(theirs, ours)]
        print(f"| {what} | {label} | {' | '.join([*map(number, theirs + ours), *ratios])} | {asked or ''} |")
    peaks = [(peer, rivals.megabytes(peer)) for peer in rivals.runs]
    peaks += [(f"bnn-update, {name}", command.median(name, lambda run: run["megabytes"])) for name in command.runs]
    print("\nPeak memory, MB: " + "; ".join(f"{name} {number(peak)}" for name, peak in peaks), flush=True)


# --- Workloads -------------------------------------------------------------------------------------


def fashion(rivals, command, folder, runs):
    train, labels = IMAGES / "train-images-idx3-ubyte.gz", IMAGES / "train-labels-idx1-ubyte.gz"
    test, test_labels = IMAGES / "t10k-images-idx3-ubyte.gz", IMAGES / "t10k-labels-idx1-ubyte.gz"
    structures = {
        "kronecker": ["--structure", "kronecker"],
        "diagonal": ["--structure", "diagonal"],
        "last layer": ["--structure", "full", "--layers", "last"],
    }
    for _ in range(runs):
        for peer in ("adam", "laplace_kron_backpack", "laplace_kron", "laplace_diag_backpack", "laplace_ll_full"):
            rivals.run("W3", peer)
        for name, options in structures.items():
            posterior = folder / f"{name}.safetensors"
            fitted = command.run(
                name, "fit", train, "--labels", labels, "--likelihood", "categorical", "--hidden", "100,100",
                "--activation", "relu", "--method", "laplace", *options, "--epochs", EPOCHS, "--batch-size", 256,
                "--learning-rate", 1e-3, "--force", "-o", posterior)
            if fitted:
                command.run(f"predict, {name}", "predict", posterior, test, "--force", "-o", folder / "out.npz")
                command.run(f"evaluate, {name}", "evaluate", posterior, test, "--labels", test_labels)

    def whole(run):
        return run["wall"]

    predicted = f"glm_probit_{PREDICTED}", 10_000 / PREDICTED
    table("Fashion-MNIST, 784-100-100-10 relu, 60,000 rows", [
        ("Adam, one epoch at batch 256", [("adam", "epoch", 1, "PyTorch")],
         "kronecker", phase("training", EPOCHS + 1), 1.5),
        ("Kronecker fit", [("laplace_kron_backpack", "fit_60000", 1, "laplace-torch, BackPACK"),
                           ("laplace_kron", "fit_60000", 1, "laplace-torch, default")],
         "kronecker", phase("curvature"), 5),
        ("diagonal fit", [("laplace_diag_backpack", "fit_60000", 1, "laplace-torch, BackPACK")],
         "diagonal", phase("curvature"), 5),
        ("last layer, full fit", [("laplace_ll_full", "fit_60000", 1, "laplace-torch, default")],
         "last layer", phase("curvature"), 20),
        ("last layer, evidence optimised", [("laplace_ll_full", "marglik_opt", 1, "laplace-torch, default")],
         "last layer", phase("evidence"), 20),
        (f"probit predictive, Kronecker, 10,000 rows (rivals: {PREDICTED} rows, scaled)",
         [("laplace_kron_backpack", *predicted, "laplace-torch, BackPACK"),
          ("laplace_kron", *predicted, "laplace-torch, default")],
         "predict, kronecker", whole, 500),
        ("the same, last layer", [("laplace_ll_full", *predicted, "laplace-torch, default")],
         "predict, last layer", whole, None),
    ], rivals, command)

    print("\n| 10,000 test rows | accuracy | nll | ece | brier |\n|---|---|---|---|---|")
    adam = rivals.quality("adam")
    if adam:
        print(f"| PyTorch, Adam, no posterior | {adam['acc']:.4f} | {adam['nll']:.4f} | {adam['ece']:.4f} | |")
    for name in structures:
        runs_of = command.runs.get(f"evaluate, {name}")
        if runs_of:
            scores = runs_of[0]["json"]
            cells = (scores.get(key) for key in ("accuracy", "nll", "ece", "brier"))
            print(f"| bnn-update, {name} | {' | '.join(number(cell, 4) for cell in cells)} |")
    sys.stdout.flush()


def uci(rivals, command, folder, runs):
    import numpy as np
    source = pathlib.Path(rivals.home) / "data"
    if not (source / "w2_X.npy").exists():
        return say(f"uci skipped: {source / 'w2_X.npy'} is not there")
    both = np.column_stack([np.load(source / "w2_X.npy"), np.load(source / "w2_y.npy")])
    np.save(folder / "uci.npy", both[:-819])
    np.save(folder / "uci_test.npy", both[-819:])
    for _ in range(runs):
        for peer in ("map_torch", "map_torch_fused", "laplace_full", "laplace_full_asdl", "laplace_full_backpack"):
            rivals.run("W2", peer)
        fitted = command.run(
            "full", "fit", folder / "uci.npy", "--target", 8, "--likelihood", "gaussian", "--hidden", 50,
            "--activation", "tanh", "--method", "laplace", "--structure", "full", "--epochs", 200, "--batch-size", 128,
            "--learning-rate", 1e-2, "--force", "-o", folder / "uci.safetensors")
        if fitted:
            command.run("evaluate", "evaluate", folder / "uci.safetensors", folder / "uci_test.npy")

    backends = [("laplace_full", "laplace-torch, default"), ("laplace_full_asdl", "laplace-torch, ASDL"),
                ("laplace_full_backpack", "laplace-torch, BackPACK")]
    table("7,373 rows of 8 features, 50 tanh units", [
        ("Adam, 200 epochs at batch 128",
         [("map_torch", "map_200ep", 1, "PyTorch"), ("map_torch_fused", "map_200ep", 1, "PyTorch, fused")],
         "full", phase("training"), 12),
        ("full fit", [(peer, "fit", 1, label) for peer, label in backends], "full", phase("curvature"), 5),
        ("evidence optimised", [(peer, "marglik_opt_100", 1, label) for peer, label in backends],
         "full", phase("evidence"), 15),
    ], rivals, command)
    print("\n| 819 test rows | rmse | nll |\n|---|---|---|")
    for peer, label in backends:
        quality = rivals.quality(peer)
        if quality:
            print(f"| {label} (40 epochs) | {quality['rmse']:.4f} | {quality['nll']:.4f} |")
    if command.runs.get("evaluate"):
        scores = command.runs["evaluate"][0]["json"]
        print(f"| bnn-update | {number(scores.get('rmse'), 4)} | {number(scores.get('nll'), 4)} |", flush=True)


def permuted(rivals, command, folder, runs):
    import numpy as np
    source = pathlib.Path(rivals.home) / "data" / "perms.npy"
    if not source.exists():
        return say(f"permuted skipped: {source} is not there")
    labels, test_labels = IMAGES / "train-labels-idx1-ubyte.gz", IMAGES / "t10k-labels-idx1-ubyte.gz"
    for k, permutation in enumerate(np.load(source)[:3]):
        for name in ("train", "t10k"):
            with gzip.open(IMAGES / f"{name}-images-idx3-ubyte.gz") as file:
                bytes_ = file.read()
            pixels = np.frombuffer(bytes_, np.uint8, offset=16).reshape(-1, 784)[:, permutation]
            # Level 1: our reading is part of our time.
            with gzip.open(folder / f"{name}{k}.idx.gz", "wb", compresslevel=1) as file:
                file.write(bytes_[:16] + np.ascontiguousarray(pixels).tobytes())
    settings = ["--epochs", EPOCHS, "--batch-size", 256, "--learning-rate", 1e-3, "--force"]
    totals = []
    for _ in range(runs):
        rivals.run("W4", "kfac_online")
        steps = [command.run(
            "fit", "fit", folder / "train0.idx.gz", "--labels", labels, "--likelihood", "categorical", "--hidden",
            "100,100", "--activation", "relu", "--method", "laplace", "--structure", "kronecker", *settings,
            "-o", folder / "p0.safetensors")]
        for k in (1, 2):
            if steps[-1]:
                steps.append(command.run(
                    "update", "update", folder / f"p{k - 1}.safetensors", folder / f"train{k}.idx.gz",
                    "--labels", labels, *settings, "-o", folder / f"p{k}.safetensors"))
        if all(steps):
            totals.append([sum(step[key] for step in steps) for key in ("wall", "processor")])

    print("\nPermuted Fashion-MNIST, 3 tasks, 5 epochs each\n")
    print("| | accuracy of tasks 1, 2, 3 at the end | average | wall s | processor s |\n|---|---|---|---|---|")
    quality, seconds = rivals.quality("kfac_online"), rivals.seconds("kfac_online", "total")
    if quality:
        print(
            f"| online Kronecker Laplace in PyTorch | {' '.join(f'{a:.3f}' for a in quality['accs_final'])} | "
            f"{quality['avg_acc']:.4f} | {number(seconds[0])} | {number(seconds[1])} |")
    if totals:
        scores = [command.run("evaluate", "evaluate", folder / "p2.safetensors", folder / f"t10k{k}.idx.gz",
                              "--labels", test_labels) for k in range(3)]
        if all(scores):
            accuracies = [score["json"]["accuracy"] for score in scores]
            wall, processor = (statistics.median(column) for column in zip(*totals))
            print(
                f"| bnn-update, Kronecker, whole processes | {' '.join(f'{a:.3f}' for a in accuracies)} | "
                f"{statistics.mean(accuracies):.4f} | {number(wall)} | {number(processor)} |", flush=True)


def main():
    workloads = {"fashion": fashion, "uci": uci, "permuted": permuted}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", default=",".join(workloads), help="workloads, separated by commas")
    options = parser.parse_args()
    names = options.only.split(",")
    if unknown := set(names) - set(workloads):
        parser.error(f"no workload is called {', '.join(sorted(unknown))}; there are {', '.join(workloads)}")
    command = os.path.abspath(options.command)
    if not os.access(command, os.X_OK):
        parser.error(f"{command} cannot be run")
    os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")

    home = os.environ.get("PEERS_HOME", os.path.expanduser("~/peers"))
    if missing := Rivals(SCRIPTS, home).missing:
        say(f"the rivals are skipped, for want of {missing}")
    print(f"One thread each, in turn; medians of {options.runs} runs, seconds; load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            if name != "uci" and not IMAGES.exists():
                say(f"{name} skipped: {IMAGES} is not there (apt-get install dataset-fashion-mnist)")
                continue
            workloads[name](Rivals(SCRIPTS, home), Command(command), pathlib.Path(folder), options.runs)
    print(f"\nLoad at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
