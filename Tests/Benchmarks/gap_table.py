#!/usr/bin/env python3
"""The gap table: D1 only, updated with D2 alone, retrained on both, on UCI sets cut into random halves.

    python3 gap_table.py [--sets concrete,energy,kin8nm,power] [--splits 1] [--hidden 50] [--seeds 1]

For every split: the standard test rows of ../shared/data/uci are held out, the other rows are put in random order (seeded)
and cut in half. Three posteriors are made by the command itself; test RMSE and negative log-likelihood (nats a row, target's
units) are read from `evaluate --json`. The retrained union is averaged over --seeds. Gap closed is
1 - sum(update - union)/sum(D1 - union) over the splits. Standard library only; long: not part of CI.
"""
import argparse, pathlib, tempfile

import uci


def one_split(name, split, hidden, seeds, folder):
    uci.cut(name, split, folder)
    flags = [*uci.flags(name), "--hidden", hidden, "--force"]
    fit = run("fit", folder / "d1.csv", *flags, "-o", folder / "p1")
    update = run("update", folder / "p1", folder / "d2.csv", "--force", "-o", folder / "p2")
    scores = {"D1": run("evaluate", folder / "p1", folder / "test.csv"),
              "update": run("evaluate", folder / "p2", folder / "test.csv")}
    unions = []
    for seed in range(1, seeds + 1):
        union = run("fit", folder / "both.csv", *flags, "--seed", seed, "-o", folder / "union")
        unions.append(run("evaluate", folder / "union", folder / "test.csv"))
    scores["union"] = {key: sum(u[key] for u in unions) / seeds for key in ("rmse", "nll")}
    return scores, fit["seconds"], update["seconds"], union["seconds"]


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--sets", default="concrete,energy,kin8nm,power")
parser.add_argument("--splits", type=int, default=1)
parser.add_argument("--hidden", default="50")
parser.add_argument("--seeds", type=int, default=1)
parser.add_argument("--binary", default=uci.default_binary)
arguments = parser.parse_args()
run = uci.command(arguments.binary)
uci.require_data()

print("| set | splits | RMSE: D1 only | update | union | closed | NLL: D1 only | update | union | closed | seconds: fit D1, update, union |")
print("|---|---|---|---|---|---|---|---|---|---|---|")
for name in arguments.sets.split(","):
    collected, times = [], []
    for split in range(arguments.splits):
        with tempfile.TemporaryDirectory() as folder:
            scores, *seconds = one_split(name, split, arguments.hidden, arguments.seeds, pathlib.Path(folder))
        collected.append(scores)
        times.append(seconds)
    cells = [name, str(len(collected))]
    for key in ("rmse", "nll"):
        mean = {who: sum(s[who][key] for s in collected) / len(collected) for who in ("D1", "update", "union")}
        gap = mean["D1"] - mean["union"]
        closed = f"{100 * (1 - (mean['update'] - mean['union']) / gap):.0f} %" if gap > 0 else "no gap"
        cells += [f"{mean[who]:.4g}" for who in ("D1", "update", "union")] + [closed]
    cells.append(", ".join(f"{sum(t[k] for t in times) / len(times):.2g}" for k in range(3)))
    print("| " + " | ".join(cells) + " |", flush=True)
