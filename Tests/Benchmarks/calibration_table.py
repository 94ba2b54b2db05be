#!/usr/bin/env python3
"""The calibration table: the most probable network (plug-in) beside the default predictive, for Laplace posteriors of classes.

    python3 calibration_table.py [--sets fashion,digits,breast_cancer] [--structures kronecker,diagonal,last-layer]
                                 [--epochs 10,20] [--seeds 3] [--predictives plug-in,auto]

fashion is Fashion-MNIST (Debian package dataset-fashion-mnist), 784-100-100-10 relu, its own 10,000 test images, the seed
that of training. The others are tables of ../shared/data, 50 tanh units, a random fifth of the rows to test, the seed that
of the cut as well; `--epochs 0` trains them by second-order steps. Means over seeds. Standard library only; not part of CI.
"""
import argparse, csv, gzip, pathlib, random, tempfile

import uci

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--sets", default="fashion,digits,breast_cancer")
parser.add_argument("--structures", default="kronecker,diagonal,last-layer")
parser.add_argument("--epochs", default="10,20")
parser.add_argument("--seeds", type=int, default=3)
parser.add_argument("--predictives", default="plug-in,auto")
parser.add_argument("--binary", default=uci.default_binary)
arguments = parser.parse_args()
run = uci.command(arguments.binary)
images = pathlib.Path("/usr/share/datasets/fashion-mnist")


def files(name, seed, folder):
    """Arguments of a fit on the training rows and of an evaluation on the test rows."""
    if name == "fashion":
        part = lambda p: [images / f"{p}-images-idx3-ubyte.gz", "--labels", images / f"{p}-labels-idx1-ubyte.gz"]
        return [*part("train"), "--hidden", "100,100", "--activation", "relu"], part("t10k")
    source = next((uci.data.parent / "tabular" / name).glob("data.csv*"))
    with (gzip.open if source.suffix == ".gz" else open)(source, "rt") as table:
        header, *rows = csv.reader(table)
    random.Random(seed).shuffle(rows)
    for path, part in (("train.csv", rows[len(rows) // 5 :]), ("test.csv", rows[: len(rows) // 5])):
        with open(folder / path, "w", newline="") as file:
            csv.writer(file).writerows([header, *part])
    return [folder / "train.csv", "--target", "target", "--likelihood", "categorical"], [folder / "test.csv"]


scores = ["accuracy", "nll", "ece", "brier"]
predictives = arguments.predictives.split(",")
print("| set | passes | structure | CPU s | " + " | ".join(f"{p}: {' | '.join(scores)}" for p in predictives) + " |")
print("|---|---|---|---|" + "---|" * (len(scores) * len(predictives)))
for name in arguments.sets.split(","):
    for epochs in map(int, arguments.epochs.split(",")):
        for structure in arguments.structures.split(","):
            flags = ["--layers", "last"] if structure == "last-layer" else ["--structure", structure]
            if epochs:
                flags += ["--epochs", epochs, "--batch-size", 256 if name == "fashion" else 64, "--learning-rate", "1e-3"]
            collected = []
            for seed in range(arguments.seeds):
                with tempfile.TemporaryDirectory() as folder:
                    folder = pathlib.Path(folder)
                    train, test = files(name, seed, folder)
                    fit = run("fit", *train, "--method", "laplace", *flags, "--seed", seed, "-o", folder / "p")
                    each = [run("evaluate", folder / "p", *test, "--predictive", p) for p in predictives]
                    collected.append([fit["cpu_seconds"]] + [own[s] for own in each for s in scores])
            means = [sum(column) / len(column) for column in zip(*collected)]
            print(f"| {name} | {epochs} | {structure} | {means[0]:.1f} | " + " | ".join(f"{m:.4f}" for m in means[1:]) + " |",
                  flush=True)
