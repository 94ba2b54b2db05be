#!/usr/bin/env python3
"""The coverage table: how often the 50, 90 and 99 % intervals hold the truth, before and after the update.

    python3 coverage_table.py [--sets boston,concrete,...] [--splits 3] [--cuts random,along] [--average]

For every split: the standard test rows of ../shared/data/uci are held out, the others cut into D1 and D2 as in uci.py, at random
or at the median of the first feature (D1 below); `fit` on D1, `update` with D2, `predict --quantiles` on the test rows by both
posteriors. Along the feature the test rows like D1 and like D2 are counted apart. Errors are binomial, over the test rows of all
splits together. --average (NumPy, SciPy) adds the same for predictions averaged over the lattice of prior precisions
with evidence weights (kappa_average.py), and the mean difference in log density to the command's. Not part of CI.
"""
import argparse, csv, pathlib, tempfile

import uci

levels = {50: ("q25", "q75"), 90: ("q05", "q95"), 99: ("q0.5", "q99.5")}
probabilities = "0.005,0.05,0.25,0.75,0.95,0.995"

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--sets", default="boston,concrete,energy,kin8nm,naval,power,wine-red")
parser.add_argument("--splits", type=int, default=1)
parser.add_argument("--cuts", default="random,along")
parser.add_argument("--flags", default="--hidden 50", help="further flags of fit")
parser.add_argument("--average", action="store_true")
parser.add_argument("--binary", default=uci.default_binary)
arguments = parser.parse_args()
run = uci.command(arguments.binary)
uci.require_data()
if arguments.average:
    import kappa_average


def table(path):
    with open(path) as lines:
        return list(csv.DictReader(lines))


def inside(posterior, test, target, folder):
    """Per level, whether each row's truth lies in its interval."""
    run("predict", posterior, test, "--quantiles", probabilities, "-o", folder / "out.csv", "--force")
    rows = [(float(row[target]), own) for row, own in zip(table(test), table(folder / "out.csv"))]
    return {level: [float(own[a]) <= y <= float(own[b]) for y, own in rows] for level, (a, b) in levels.items()}


def measure(name, split, cut, folder, counts, averages):
    uci.cut(name, split, folder, along=cut == "along")
    groups = {"all": "test"} if cut == "random" else {"like D1": "test-like-d1", "like D2": "test-like-d2"}
    run("fit", folder / "d1.csv", *uci.flags(name), *arguments.flags.split(), "-o", folder / "p1")
    run("update", folder / "p1", folder / "d2.csv", "-o", folder / "p2")
    for when, posterior in [("before", "p1"), ("after", "p2")]:
        for group, test in groups.items():
            test = folder / f"{test}.csv"
            if len(table(test)) == 0:
                continue
            for level, hits in inside(folder / posterior, test, uci.targets[name], folder).items():
                counts.setdefault((group, when), {}).setdefault(level, []).extend(hits)
            if arguments.average:
                averages.setdefault((group, when), []).append(kappa_average.compare(folder / posterior, table(test)))


head = " | ".join(f"{level} %" for level in levels)
print(f"| set, cut | splits | test rows | posterior | {head} |" + (" averaged: 90 % | 99 % | log density, nats a row |" if arguments.average else ""))
print("|---|---|---|---|---|---|---|" + ("---|---|---|" if arguments.average else ""))
for name in arguments.sets.split(","):
    for cut in arguments.cuts.split(","):
        counts, averages = {}, {}
        for split in range(arguments.splits):
            with tempfile.TemporaryDirectory() as folder:
                measure(name, split, cut, pathlib.Path(folder), counts, averages)
        for (group, when), own in counts.items():
            n = len(own[50])
            shares = [sum(own[level]) / n for level in levels]
            cells = [f"{100 * s:.1f} ± {100 * (s * (1 - s) / n) ** 0.5:.1f}" for s in shares]
            if arguments.average:
                pooled = kappa_average.pool(averages[group, when])
                cells += [f"{100 * pooled[90]:.1f}", f"{100 * pooled[99]:.1f}", f"{pooled['gain']:+.4f}"]
            print(f"| {name}, {cut} | {arguments.splits} | {n}, {group} | {when} | " + " | ".join(cells) + " |", flush=True)
