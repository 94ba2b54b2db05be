"""The regression protocol of Scannell et al. 2024 (function-space prior from inducing inputs): inputs and targets standardised over the
whole set, rows sorted by the first input, the lower half is D1, the upper half is split at random into D2 (35 % of all rows) and test
(15 %). Negative log-likelihood of standardised targets, mean and standard error over seeds. Published, D1 only, update, retrained:
airfoil 0.60, 0.50, 0.47; boston 0.23, 0.16, 0.13, of which the update keeps inducing inputs drawn from D1 and D2.

    python3 Tests/Benchmarks/shifted_regression.py [.build/release/bnn-update] [--seeds 5] [--hidden 50] [--members 1] [--sets a,b]
        [--methods a,b] [--as-coded]

--as-coded takes the shares as the authors' published code does, of each half: a random 50 % of the lower half is D1, 35 % of the upper half
is D2 and 15 % of it the test (25, 17.5 and 7.5 % of all rows)."""
import argparse, pathlib, random, statistics, tempfile
import uci

parser = argparse.ArgumentParser()
parser.add_argument("binary", nargs="?", default=uci.default_binary)
parser.add_argument("--seeds", type=int, default=5)
parser.add_argument("--hidden", default="50")
parser.add_argument("--members", type=int, default=1)
parser.add_argument("--methods", default="all")
parser.add_argument("--sets", default="airfoil,boston")
parser.add_argument("--as-coded", action="store_true")
options = parser.parse_args()
uci.require_data()
run = uci.command(pathlib.Path(options.binary).resolve())


def mean_error(values):
    return "{:.3f} ± {:.3f}".format(statistics.fmean(values), statistics.stdev(values) / len(values) ** 0.5)


for name in options.sets.split(","):
    table = uci.read(uci.data / name / "data.csv")
    header, rows = table[0], [[float(cell) for cell in row] for row in table[1:]]
    columns = list(zip(*rows))
    centers, scales = [statistics.fmean(c) for c in columns], [statistics.pstdev(c) or 1 for c in columns]
    rows = sorted([[(v - m) / s for v, m, s in zip(row, centers, scales)] for row in rows])
    half = len(rows) // 2
    upperRows = len(rows) - half
    tests, news = (round(0.15 * upperRows), round(0.35 * upperRows)) if options.as_coded else (round(0.15 * len(rows)), upperRows)
    found = {}
    for seed in range(options.seeds):
        lower, upper = rows[:half], rows[half:]
        random.Random(seed).shuffle(upper)
        if options.as_coded:
            random.Random(1000 + seed).shuffle(lower)
            lower = lower[: half // 2]
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            for part, own in {"d1": lower, "d2": upper[tests : tests + news], "test": upper[:tests]}.items():
                uci.write(folder / f"{part}.csv", header, own)
            result = run(
                "compare", folder / "d1.csv", folder / "d2.csv", "--test", folder / "test.csv", "--target", header[-1], "--seed", seed,
                "--methods", options.methods, "--hidden", options.hidden, "--members", options.members)
        for method in result["methods"]:
            found.setdefault(method["name"], []).append(method["nll"])
    print(f"| {name}: nll | mean ± standard error of {options.seeds} seeds | gap closed, % |\n|---|---|---|")
    gap = statistics.fmean(found["stale"]) - statistics.fmean(found["union"])
    for method, values in found.items():
        print(f"| {method} | {mean_error(values)} | {100 * (statistics.fmean(found['stale']) - statistics.fmean(values)) / gap:.0f} |")
