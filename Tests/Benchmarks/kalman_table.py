#!/usr/bin/env python3
"""The filter on UCI sets: test RMSE and negative log-likelihood after one pass over the training rows.

    python3 kalman_table.py [--sets kin8nm] [--splits 5] [--hidden 50]

For every split the standard test rows of ../shared/data/uci are held out and the others, in a random order seeded by the split, are
filtered once: `fit --method kalman --one-pass` in every structure, from random weights, noise and prior precision by the
filter's own evidence. Beside it the same rows cut in halves: `fit` trains on the first (D1), `update` filters the second; and
training on all rows (`union`). Means over splits with the standard error of the RMSE. Not part of CI.
"""
import argparse, pathlib, statistics, tempfile

import uci

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--sets", default="kin8nm")
parser.add_argument("--splits", type=int, default=5)
parser.add_argument("--hidden", default="50")
parser.add_argument("--structures", default="full,low-rank 50,low-rank 10,diagonal")
parser.add_argument("--halves", action="store_true", help="also D1 trained and D2 filtered, and the union trained")
parser.add_argument("--binary", default=uci.default_binary)
arguments = parser.parse_args()
run = uci.command(arguments.binary)
uci.require_data()


def fit(name, rows, to, structure, *more):
    words = structure.split()
    rank = ["--rank", words[1]] if len(words) > 1 else []
    return run("fit", rows, *uci.flags(name), "--method", "kalman", "--hidden", arguments.hidden, "--structure", words[0],
               *rank, *more, "-o", to, "--force")


results = {}
for name in arguments.sets.split(","):
    for split in range(arguments.splits):
        with tempfile.TemporaryDirectory() as place:
            folder = pathlib.Path(place)
            uci.cut(name, split, folder)

            def note(kind, posterior, seconds):
                score = run("evaluate", posterior, folder / "test.csv")
                results.setdefault((name, kind), []).append((score["rmse"], score["nll"], seconds))

            for structure in arguments.structures.split(","):
                made = fit(name, folder / "both.csv", folder / "p", structure, "--one-pass")
                note(f"one pass, {structure}", folder / "p", made["cpu_seconds"])
                if arguments.halves:
                    made = fit(name, folder / "d1.csv", folder / "p", structure)
                    note(f"D1 trained, {structure}", folder / "p", made["cpu_seconds"])
                    made = run("update", folder / "p", folder / "d2.csv", "-o", folder / "q", "--force")
                    note(f"and D2 filtered, {structure}", folder / "q", made["cpu_seconds"])
            if arguments.halves:
                made = fit(name, folder / "both.csv", folder / "p", "full")
                note("union trained, full", folder / "p", made["cpu_seconds"])

print("| set | what | rmse | ± | nll | processor seconds |\n|---|---|---|---|---|---|")
for (name, kind), rows in results.items():
    rmse = [row[0] for row in rows]
    error = statistics.stdev(rmse) / len(rmse) ** 0.5 if len(rmse) > 1 else float("nan")
    means = [statistics.mean(row[i] for row in rows) for i in range(3)]
    print(f"| {name} | {kind} | {means[0]:.4f} | {error:.4f} | {means[1]:.3f} | {means[2]:.2f} |")
