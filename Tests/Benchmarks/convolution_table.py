#!/usr/bin/env python3
"""A convolutional network on the first half of Fashion-MNIST, updated with the second, beside the network retrained on both.

    swift build -c release && python3 Tests/Benchmarks/convolution_table.py .build/release/bnn-update [--epochs 10] [--seeds 1]

Needs the Debian package dataset-fashion-mnist (or MNIST: --images FOLDER). For every structure: accuracy and nll on the 10,000 test
images of D1 only, after the update and of the union (retrained once a seed, in the first structure; the weights are the same in all), the
share of the gap in nll that the update closes, seconds of wall time and the
largest memory. Not part of any test.
"""

import argparse
import gzip
import json
import pathlib
import resource
import struct
import subprocess
import tempfile
import time

NETWORK = {
    "input": {"shape": [1, 28, 28]},
    "layers": [
        {"type": "conv2d", "channels": 16, "kernel": 3, "padding": 1, "activation": "relu"},
        {"type": "max-pool", "kernel": 2},
        {"type": "conv2d", "channels": 32, "kernel": 3, "padding": 1, "activation": "relu"},
        {"type": "max-pool", "kernel": 2},
        {"type": "flatten"},
        {"type": "dense", "units": 64, "activation": "relu"},
        {"type": "dense", "units": 10},
    ],
}
STRUCTURES = {
    "kronecker": ["--structure", "kronecker"],
    "kronecker, reduced": ["--structure", "kronecker", "--weight-sharing", "reduce"],
    "kronecker, averaged": ["--structure", "kronecker", "--curvature-draws", "1"],
    "diagonal": ["--structure", "diagonal"],
    "last layer": ["--layers", "last", "--structure", "full"],
}


def idx(path):
    data = gzip.open(path).read()
    count = data[3]
    sizes = struct.unpack(f">{count}I", data[4 : 4 + 4 * count])
    return sizes, data[4 + 4 * count :]


def cut(folder, source, name, rows):
    """The rows of an IDX file as one of their own."""
    sizes, data = idx(source)
    width = 1
    for size in sizes[1:]:
        width *= size
    own = (len(rows),) + sizes[1:]
    path = folder / name
    path.write_bytes(bytes([0, 0, 8, len(own)]) + struct.pack(f">{len(own)}I", *own) + data[rows.start * width : rows.stop * width])
    return str(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--images", type=pathlib.Path, default=pathlib.Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--update-epochs", type=int, default=10)
    parser.add_argument("--batch-size", default="128")
    parser.add_argument("--learning-rate", default="0.002")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", nargs="*", choices=STRUCTURES)
    options = parser.parse_args()
    if not options.images.exists():
        print(f"skipped: {options.images} is not there")
        return

    def run(*arguments):
        start = time.perf_counter()
        out = subprocess.run([options.binary, *arguments, "--json"], capture_output=True, text=True)
        if out.returncode:
            raise SystemExit(out.stderr)
        return json.loads(out.stdout), time.perf_counter() - start

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "net.json").write_text(json.dumps(NETWORK))
        pair = lambda kind: next(options.images.glob(f"train-{kind}-*"))
        halves = {}
        for key, rows in [("first", range(0, 30000)), ("second", range(30000, 60000)), ("both", range(0, 60000))]:
            halves[key] = [
                cut(folder, pair("images"), f"{key}-images-idx3-ubyte", rows), "--labels",
                cut(folder, pair("labels"), f"{key}-labels-idx1-ubyte", rows)]
        test = [str(next(options.images.glob("t10k-images-*"))), "--labels", str(next(options.images.glob("t10k-labels-*")))]
        training = ["--batch-size", options.batch_size, "--learning-rate", options.learning_rate]
        print("| structure | seed | D1 only | updated | union | nll: D1 only | updated | union | gap closed | fit s | update s | file MB |")
        print("|---|---|---|---|---|---|---|---|---|---|---|---|")
        unions = {}
        for label, flags in STRUCTURES.items():
            if options.only and label not in options.only:
                continue
            for seed in range(options.seeds):
                own = ["--network", str(folder / "net.json"), "--method", "laplace", "--seed", str(seed), "--force", *flags, *training]
                p = lambda k: str(folder / f"{k}.safetensors")
                _, fit = run("fit", *halves["first"], *own, "--epochs", str(options.epochs), "-o", p(1))
                _, update = run(
                    "update", p(1), *halves["second"], "--epochs", str(options.update_epochs), *training, "--seed", str(seed), "--force", "-o", p(2))
                if seed not in unions:
                    run("fit", *halves["both"], *own, "--epochs", str(options.epochs), "-o", str(folder / f"union{seed}"))
                    unions[seed] = run("evaluate", str(folder / f"union{seed}"), *test)[0]
                scores = [run("evaluate", p(k), *test)[0] for k in (1, 2)] + [unions[seed]]
                accuracy = [100 * s["accuracy"] for s in scores]
                nll = [s["nll"] for s in scores]
                closed = 100 * (nll[0] - nll[1]) / (nll[0] - nll[2])
                size = pathlib.Path(p(2)).stat().st_size / 1e6
                print(
                    f"| {label} | {seed} | {accuracy[0]:.2f} % | {accuracy[1]:.2f} % | {accuracy[2]:.2f} % | {nll[0]:.4f} | {nll[1]:.4f} "
                    f"| {nll[2]:.4f} | {closed:.0f} % | {fit:.0f} | {update:.0f} | {size:.0f} |", flush=True)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
        print(f"\nlargest memory of a process: {peak:.2f} GB")


main()
