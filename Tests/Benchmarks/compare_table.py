"""`bnn-update compare` over splits of the UCI sets of ../shared/data: gap closed in negative log-likelihood and in RMSE, a ratio of
means over paired splits, by set, and the median over the sets that have a gap. D1 and D2 are halves of the training rows, at random or
along the first feature; the union is the mean of three seeds a split.

    python3 Tests/Benchmarks/compare_table.py [.build/release/bnn-update] [--splits 5] [--sets a,b] [--along] [--methods a,b|default] [--stream 1]
        [--members 1] [--keep folder] [--flags "--likelihood heteroscedastic"]

--flags are of `compare`. --keep holds what was found, a file for every split: a run that was stopped goes on where it ended."""
import argparse, json, pathlib, shlex, statistics, tempfile
import uci

parser = argparse.ArgumentParser()
parser.add_argument("binary", nargs="?", default=uci.default_binary)
parser.add_argument("--splits", type=int, default=5)
parser.add_argument("--sets", default="boston,concrete,energy,wine-red")
parser.add_argument("--methods", default="all")
parser.add_argument("--stream", type=int, default=1)
parser.add_argument("--members", type=int, default=1)
parser.add_argument("--along", action="store_true")
parser.add_argument("--keep", type=pathlib.Path)
parser.add_argument("--flags", default="")
options = parser.parse_args()
uci.require_data()
run = uci.command(pathlib.Path(options.binary).resolve())
sets = options.sets.split(",")
scores = {}


def compared(name, split):
    kind = "along" if options.along else "random"
    kept = f"{name}-{kind}-stream{options.stream}-members{options.members}{''.join(options.flags.split())}-{split}.json"
    kept = options.keep and options.keep / kept
    if kept and kept.exists():
        return json.loads(kept.read_text())
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        uci.cut(name, split, folder, along=options.along)
        methods = ["--methods", options.methods] if options.methods != "default" else []
        found = run(
            "compare", folder / "d1.csv", folder / "d2.csv", "--test", folder / "test.csv", *uci.flags(name), "--seed", split,
            *methods, *shlex.split(options.flags), "--stream", options.stream, "--members", options.members)
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(found))
    return found


for name in sets:
    for split in range(options.splits):
        for method in compared(name, split)["methods"]:
            if method["failure"]:
                print(f"{name}, split {split}, {method['name']}: {method['failure']}", flush=True)
            scores.setdefault((method["name"], name), []).append((method["nll"], method["rmse"]))
    print(f"{name}: {options.splits} splits done", flush=True)

methods = list(dict.fromkeys(key[0] for key in scores))
gaps = {}


def mean_error(values):
    return statistics.fmean(values), statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")


print("| gap closed, % nll / rmse |", " | ".join(sets), "| median |\n|---" + "|---" * (len(sets) + 1) + "|")
hasGap = {}
for name in sets:
    for k in (0, 1):
        differences = [a[k] - b[k] for a, b in zip(scores["stale", name], scores["union", name])]
        mean, error = mean_error(differences)
        hasGap[name, k] = mean > 1.645 * error
for method in methods:
    cells, all = [], ([], [])
    for name in sets:
        own = scores[method, name]
        if any(value is None for row in own for value in row):
            cells.append("failed")
            continue
        texts = []
        for k in (0, 1):
            gap = sum(a[k] - b[k] for a, b in zip(scores["stale", name], scores["union", name]))
            regret = sum(a[k] - b[k] for a, b in zip(own, scores["union", name]))
            if hasGap[name, k]:
                all[k].append(100 * (1 - regret / gap))
                texts.append(f"{all[k][-1]:.0f}")
            else:
                texts.append("no gap")
        cells.append(" / ".join(texts))
    medians = " / ".join(f"{statistics.median(a):.0f}" if a else "–" for a in all)
    print(f"| {method} |", " | ".join(cells), f"| {medians} |")
print("\n| nll ± standard error over splits |", " | ".join(sets), "|\n|---" + "|---" * len(sets) + "|")
for method in methods:
    cells = []
    for name in sets:
        own = [row[0] for row in scores[method, name] if row[0] is not None]
        cells.append("{:.3f} ± {:.3f}".format(*mean_error(own)))
    print(f"| {method} |", " | ".join(cells), "|")
