#!/usr/bin/env python3
"""How often the 90 % intervals of approximate engines hold the truth, over simulated data sets.

    python3 simulated_coverage.py [--sets 20] [--seconds 0] [--first 200] [--new 100] [--test 200] [--hidden 8] [--workers 2]
        [--engines "laplace, full;kalman"]

Every set is drawn anew: two features uniform in [0, 1], y = sin 6 x1 + x2^2 + 0.2 times a standard normal. `fit` on D1, `update` with D2,
`predict --quantiles 0.05,0.95` on test rows of the same source, before and after. Counted are observed targets between the quantiles, noise
and all, and values without noise within 1.645 `epistemic_sd` of the mean, which is what the posterior itself claims. Errors are from the
spread between sets, since the rows of one set share a posterior. With --seconds, sets are begun until that time is over. `linear` where the
mean is 2 x1 - x2 stands beside as what an exact engine does. Standard library only. Not part of CI.
"""
import argparse, concurrent.futures, csv, math, pathlib, random, statistics, tempfile, time

import uci

engines = {"linear (exact)": ["--method", "linear"]}
engines |= {f"laplace, {s}": ["--method", "laplace", "--structure", s] for s in ["full", "block", "kronecker", "diagonal"]}
engines |= {
    f"laplace, {s}, averaged": ["--method", "laplace", "--structure", s, "--curvature-draws", "4"] for s in ["full", "kronecker"]
}
engines |= {method: ["--method", method] for method in ["mean-field", "kalman", "tangent", "moving-tangent"]}

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--sets", type=int, default=20)
parser.add_argument("--seconds", type=float, default=0, help="0: no limit")
parser.add_argument("--first", type=int, default=200, help="rows of D1")
parser.add_argument("--new", type=int, default=100, help="rows of D2")
parser.add_argument("--test", type=int, default=200)
parser.add_argument("--hidden", default="8")
parser.add_argument("--workers", type=int, default=2)
parser.add_argument("--engines", help="names of the table, semicolons between them; all by default")
parser.add_argument("--binary", default=uci.default_binary)
arguments = parser.parse_args()
if arguments.engines:
    engines = {name: engines[name] for name in arguments.engines.split(";")}
run = uci.command(arguments.binary)


def rows(chance, count, linear):
    """Columns, the target and, last, its value without noise, which no command is given."""
    made = []
    for _ in range(count):
        x1, x2 = chance.random(), chance.random()
        mean = 2 * x1 - x2 if linear else math.sin(6 * x1) + x2 * x2
        made.append([repr(x1), repr(x2), repr(mean + 0.2 * chance.gauss(0, 1)), repr(mean)])
    return made


def shares(posterior, folder, test):
    """Of the test rows, those whose target, and whose value without noise, is in its interval."""
    run("predict", posterior, folder / "test.csv", "--quantiles", "0.05,0.95", "-o", folder / "out.csv", "--force", "--threads", 1)
    with open(folder / "out.csv") as lines:
        own = list(csv.DictReader(lines))
    noisy = [float(row["q05"]) <= float(truth[2]) <= float(row["q95"]) for row, truth in zip(own, test)]
    means = [abs(float(row["mean"]) - float(truth[3])) <= 1.6449 * float(row["epistemic_sd"]) for row, truth in zip(own, test)]
    return [sum(noisy) / len(noisy), sum(means) / len(means)]


def measured(number):
    """What every engine's intervals hold on one set; nothing when the time is over."""
    if arguments.seconds and time.monotonic() - began > arguments.seconds:
        return None
    found = {}
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        for name, flags in engines.items():
            linear = name.startswith("linear")
            chance = random.Random(5000 + number)
            for part in ["first", "new", "test"]:
                drawn = rows(chance, getattr(arguments, part), linear)
                uci.write(folder / f"{part}.csv", ["x1", "x2", "y"], [row[:3] for row in drawn])
            network = [] if linear else ["--hidden", arguments.hidden]
            run("fit", folder / "first.csv", "--target", "y", *flags, *network, "--seed", number, "--threads", 1, "-o", folder / "p1", "--force")
            run("update", folder / "p1", folder / "new.csv", "--threads", 1, "-o", folder / "p2", "--force")
            found[name] = shares(folder / "p1", folder, drawn) + shares(folder / "p2", folder, drawn)
    return found


began = time.monotonic()
with concurrent.futures.ThreadPoolExecutor(arguments.workers) as pool:
    results = [result for result in pool.map(measured, range(arguments.sets)) if result]
found = {name: [result[name] for result in results] for name in engines}

print("| method | sets | targets before the update, % | values without noise | targets after | values without noise |")
print("|---|---|---|---|---|---|")
for name, own in found.items():
    cells = []
    for each in zip(*own):
        error = statistics.stdev(each) / len(each) ** 0.5 if len(each) > 1 else float("nan")
        cells.append(f"{100 * statistics.mean(each):.1f} ± {100 * error:.1f}")
    print(f"| {name} | {len(own)} | " + " | ".join(cells) + " |")
