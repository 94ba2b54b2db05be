#!/usr/bin/env python3
"""The subspace table: a tangent in M directions beside the whole tangent and the last layer.

    python3 subspace_table.py [--sets kin8nm] [--hidden 50] [--sizes all,300,200,100,sketch100,last-layer] [--splits 1] [--cut random|along]

Rows are cut as in uci.py, at random or along the first feature; fit on D1, update with D2, scores on the test rows (RMSE in
the target's units, nll in nats a row), CPU seconds of fit and update (training is part of fit), and the share of the squared
derivatives of D1 and of D2 that the subspace keeps. Standard library only; not part of CI.
"""
import argparse, pathlib, tempfile

import uci

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--sets", default="kin8nm")
parser.add_argument("--hidden", default="50")
parser.add_argument("--sizes", default="all,300,200,100,last-layer")
parser.add_argument("--splits", type=int, default=1)
parser.add_argument("--cut", default="random", choices=["random", "along"])
parser.add_argument("--flags", default="", help="further flags of fit")
parser.add_argument("--binary", default=uci.default_binary)
arguments = parser.parse_args()
run = uci.command(arguments.binary)
uci.require_data()


def measure(name, size, folder):
    reduced = {"all": ["--method", "tangent"], "last-layer": ["--method", "last-layer"]}.get(
        size, ["--sketch-only", size.removeprefix("sketch")] if size.startswith("sketch") else ["--subspace", size])
    flags = [*uci.flags(name), "--hidden", arguments.hidden, "--force", *reduced, *arguments.flags.split()]
    fit = run("fit", folder / "d1.csv", *flags, "-o", folder / "p1")
    update = run("update", folder / "p1", folder / "d2.csv", "--force", "-o", folder / "p2")
    before, after = (run("evaluate", folder / p, folder / "test.csv") for p in ("p1", "p2"))
    return [before["rmse"], after["rmse"], before["nll"], after["nll"], fit["cpu_seconds"], update["cpu_seconds"],
            fit["subspace_share"], update["subspace_share"]]


print("| set, cut | directions | RMSE: D1 only | update | nll: D1 only | update | CPU s: fit | update | kept of D1 | of D2 |")
print("|---|---|---|---|---|---|---|---|---|---|")
for name in arguments.sets.split(","):
    for size in arguments.sizes.split(","):
        collected = []
        for split in range(arguments.splits):
            with tempfile.TemporaryDirectory() as folder:
                uci.cut(name, split, pathlib.Path(folder), along=arguments.cut == "along")
                collected.append(measure(name, size, pathlib.Path(folder)))
        means = [None if None in column else sum(column) / len(column) for column in zip(*collected)]
        cells = ["–" if m is None else f"{m:.4g}" if k < 6 else f"{m:.6f}" for k, m in enumerate(means)]
        print(f"| {name}, {arguments.cut} | {size} | " + " | ".join(cells) + " |", flush=True)
