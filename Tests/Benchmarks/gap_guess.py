"""Can an update guess, without D1 or test rows, how far it is from retraining? For every split that compare_table.py --keep has kept,
fits and updates again with the same seed, and sets what the update itself says beside the gap that `compare` measured, the method's
negative log-likelihood less that of the union, nats a row. Prints Spearman's correlation of several predictors over all splits and
within a set, and how well a line through the best one, fitted on the other sets, foretells a set.

    python3 Tests/Benchmarks/gap_guess.py FOLDER [.build/release/bnn-update] [--methods tangent,last-layer] [--splits 20]

NumPy and SciPy; not part of any test."""
import argparse, json, math, pathlib, tempfile

import numpy
from scipy.stats import spearmanr

import uci

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder", type=pathlib.Path)
parser.add_argument("binary", nargs="?", default=uci.default_binary)
parser.add_argument("--methods", default="tangent,last-layer,mean-field")
parser.add_argument("--splits", type=int, default=20)
options = parser.parse_args()
uci.require_data()
run = uci.command(pathlib.Path(options.binary).resolve())
flags = {"mean-field": ["--method", "mean-field"], "laplace-kronecker": ["--method", "laplace", "--structure", "kronecker"]}


def observed(name, along, split, method):
    """What the update says."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        uci.cut(name, split, folder, along=along)
        run("fit", folder / "d1.csv", *uci.flags(name), *flags.get(method, ["--method", method]), "--seed", split, "-o", folder / "p1")
        before = run("evaluate", folder / "p1", folder / "d2.csv")
        first = run("inspect", folder / "p1")
        update = run("update", folder / "p1", folder / "d2.csv", "--seed", split, "-o", folder / "p2")
        after = run("evaluate", folder / "p2", folder / "d2.csv")
    noise = lambda own: own["noise"][0] if isinstance(own["noise"], list) else own["noise"]
    return {
        "log noise ratio": math.log(noise(update) / noise(first)),
        "surprise of the batch": before["nll"] - after["nll"],
        "fit of the batch": after["nll"] - math.log(noise(first)),
        "drift, log p": -math.log(max(1e-300, (update["drift"] or {}).get("p_value") or 1)),
    }


rows = []
for path in sorted(options.folder.glob("*-stream1-members1-*.json")):
    name, kind = path.name.split("-stream")[0].rsplit("-", 1)
    split = int(path.stem.rsplit("-", 1)[1])
    if split >= options.splits:
        continue
    found = {own["name"]: own for own in json.loads(path.read_text())["methods"]}
    for method in options.methods.split(","):
        if method in found and found[method]["nll"] is not None:
            gap = found[method]["nll"] - found["union"]["nll"]
            rows.append((name, kind, method, gap, observed(name, kind == "along", split, method)))
    print(f"{path.name} done", flush=True)

(options.folder / "gap_guess.json").write_text(json.dumps(rows))
gaps = numpy.array([row[3] for row in rows])
print("| predictor | Spearman, all | within set, cut and method (mean) |\n|---|---|---|")
groups = sorted({row[:3] for row in rows})
for predictor in rows[0][4]:
    x = numpy.array([row[4][predictor] for row in rows])
    own = []
    for group in groups:
        chosen = [i for i, row in enumerate(rows) if row[:3] == group]
        if len(chosen) >= 8:
            own.append(spearmanr(x[chosen], gaps[chosen]).statistic)
    print(f"| {predictor} | {spearmanr(x, gaps).statistic:.2f} | {numpy.mean(own):.2f} of {len(own)} |")
print("\n| set left out | method | rows | line: intercept, slope | median error of the guess | of guessing the others' median | Spearman |\n|---|---|---|---|---|---|---|")
for method in options.methods.split(","):
    for name in sorted({row[0] for row in rows}):
        x, y = (numpy.array([f(row) for row in rows if row[2] == method and row[0] != name]) for f in (lambda r: r[4]["log noise ratio"], lambda r: r[3]))
        u, v = (numpy.array([f(row) for row in rows if row[2] == method and row[0] == name]) for f in (lambda r: r[4]["log noise ratio"], lambda r: r[3]))
        if len(u) == 0 or len(x) == 0:
            continue
        slope, intercept = numpy.polyfit(x, y, 1)
        error, other = numpy.median(abs(intercept + slope * u - v)), numpy.median(abs(numpy.median(y) - v))
        print(f"| {name} | {method} | {len(u)} | {intercept:.3f}, {slope:.2f} | {error:.3f} | {other:.3f} | {spearmanr(u, v).statistic:.2f} |")
