#!/usr/bin/env python3
"""The gap table: D1 only, updated with D2 alone, retrained on both, on UCI sets cut into random halves.

    python3 gap_table.py [--sets concrete,energy,kin8nm,power] [--splits 1] [--hidden 50] [--seeds 1]

For every split: the standard test rows of ../shared/data/uci are held out, the other rows are put in random order (seeded)
and cut in half. Three posteriors are made by the command itself; test RMSE and negative log-likelihood (nats a row, target's
units) are read from `evaluate --json`. The retrained union is averaged over --seeds. Gap closed is
1 - sum(update - union)/sum(D1 - union) over the splits. Standard library only; long: not part of CI.
"""
import argparse, csv, gzip, json, pathlib, random, subprocess, sys, tempfile

here = pathlib.Path(__file__).resolve()
root = here.parents[2]
data = root.parent / "shared" / "data" / "uci"
targets = {
    "boston": "MEDV", "concrete": "strength_mpa", "energy": "heating_load", "kin8nm": "y",
    "naval": "gt_compressor_decay", "power": "PE", "wine-red": "quality",
}
ignored = {"naval": ["UNUSED_gt_turbine_decay"]}


def read(path):
    path = path if path.exists() else path.with_name(path.name + ".gz")
    opened = gzip.open(path, "rt") if path.suffix == ".gz" else open(path)
    with opened as lines:
        return list(csv.reader(lines))


def write(path, header, rows):
    with open(path, "w", newline="") as out:
        csv.writer(out, lineterminator="\n").writerows([header] + rows)


def run(*words):
    done = subprocess.run([str(binary), *map(str, words), "--json", "--quiet"], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def one_split(name, split, hidden, seeds, folder):
    table = read(data / name / "data.csv")
    header, rows = table[0], table[1:]
    test = {int(cell) for cell in read(data / name / "test_splits.csv")[split] if cell.strip()}
    kept = [i for i in range(len(rows)) if i not in test]
    random.Random(1000 + split).shuffle(kept)
    half = len(kept) // 2
    for part, indices in [("d1", kept[:half]), ("d2", kept[half:]), ("both", kept), ("test", sorted(test))]:
        write(folder / f"{part}.csv", header, [rows[i] for i in indices])
    flags = ["--target", targets[name], "--hidden", hidden, "--force"]
    if name in ignored:
        flags += ["--ignore", ",".join(ignored[name])]
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
parser.add_argument("--binary", default=str(root / ".build" / "release" / "bnn-update"))
arguments = parser.parse_args()
binary = pathlib.Path(arguments.binary)
if not data.exists():
    sys.exit(f"skipped: {data} is not there")

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
