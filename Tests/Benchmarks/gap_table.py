#!/usr/bin/env python3
"""The gap table: D1 only, updated with D2 alone in two ways, retrained on both, on UCI sets.

    python3 gap_table.py --results gap.jsonl [--sets concrete,energy,…] [--splits 5] [--members 1,5] [--seeds 3]
                         [--cut random|along] [--hidden 50] [--threads 2] [--only-table]

For every split the standard test rows of ../shared/data/uci are held out; the other rows are cut into random halves (seeded
by the split) or along their first feature. The command itself makes one posterior of D1 (`--method moving-tangent`), updates
it with D2 where it stands (`update --method tangent`, exact) and moving (`update`), and fits D1 ∪ D2 from --seeds other
random weights; test RMSE and negative log-likelihood (nats a row, target's units) are read from `evaluate --json`. Every
finished split is appended to --results at once and is not measured again: interrupt and go on as you like.

The table, for each score: gap closed G = 1 − Σδ/ΣΔ over the paired splits, Δ = D1 only − union, δ = update − union (the
regret), with a 90 % bootstrap interval over the splits (from three on); the union's score is the mean over its seeds. G is
`no gap` unless ΣΔ is above 0 at that interval's lower end and the mean Δ above twice the standard error of the union's mean
over its seeds. `seeds`: the range of what G is for one seed of the union against the others, the measure's own noise.
`weak reference`: ridge regression on both beats the union. Standard library only; hours for all of it: not part of CI.
"""
import argparse, json, pathlib, random, statistics, tempfile

import uci

scores = ("nll", "rmse")


def score(posterior, folder):
    found = run("evaluate", posterior, folder / "test.csv", "--threads", arguments.threads)
    return {key: found[key] for key in scores}


def measure(name, split, members, folder):
    uci.cut(name, split, folder, along=arguments.cut == "along")
    common = ["--threads", arguments.threads, "--force"]
    flags = [*uci.flags(name), *common, "--hidden", arguments.hidden, "--members", members]
    record = {"set": name, "split": split, "cut": arguments.cut, "members": members, "hidden": arguments.hidden}
    fit = run("fit", folder / "d1.csv", *flags, "--method", "moving-tangent", "-o", folder / "p1")
    record["D1"] = score(folder / "p1", folder) | {"cpu": fit["cpu_seconds"]}
    for method in ("tangent", "moving-tangent"):
        made = run("update", folder / "p1", folder / "d2.csv", "--method", method, *common, "-o", folder / "p2")
        record[method] = score(folder / "p2", folder) | {"cpu": made["cpu_seconds"]}
    record["union"] = []
    for seed in range(1, arguments.seeds + 1):
        made = run("fit", folder / "both.csv", *flags, "--method", "tangent", "--seed", seed, "-o", folder / "u")
        record["union"].append(score(folder / "u", folder) | {"cpu": made["cpu_seconds"]})
    run("fit", folder / "both.csv", *uci.flags(name), *common, "--method", "linear", "-o", folder / "l")
    record["linear"] = score(folder / "l", folder)
    return record


def union(record, key):
    return statistics.fmean(u[key] for u in record["union"])


def closed(records, method, key):
    gap = sum(r["D1"][key] - union(r, key) for r in records)
    return 1 - sum(r[method][key] - union(r, key) for r in records) / gap if gap else None


def resampled(records, value, draws=2000):
    """The 5 % and 95 % points of a value over splits drawn with replacement."""
    stream = random.Random(0)
    found = sorted(value([stream.choice(records) for _ in records]) or 0 for _ in range(draws))
    return found[draws // 20], found[-draws // 20 - 1]


def cells(records, method, key):
    """Gap closed with its interval (or `no gap`), and the regret."""
    gaps = [r["D1"][key] - union(r, key) for r in records]
    regret = statistics.fmean(r[method][key] - union(r, key) for r in records)
    seeds = [statistics.variance([u[key] for u in r["union"]]) / len(r["union"]) for r in records if len(r["union"]) > 1]
    error = (sum(seeds)) ** 0.5 / len(records) if seeds else 0
    low = resampled(records, lambda rs: sum(r["D1"][key] - union(r, key) for r in rs))[0] if len(records) > 2 else sum(gaps)
    if low <= 0 or statistics.fmean(gaps) <= 2 * error:
        return None, "no gap", regret
    share = closed(records, method, key)
    text = f"{100 * share:.0f} %"
    if len(records) > 2:
        interval = resampled(records, lambda rs: closed(rs, method, key))
        text += f" [{100 * interval[0]:.0f}, {100 * interval[1]:.0f}]"
    return share, text, regret


def seed_noise(records, key):
    """G of each seed of the union, taken for an update, against the mean of its other seeds: least and largest."""
    count = min(len(r["union"]) for r in records)
    if count < 2:
        return "–"
    found = []
    for j in range(count):
        other = [statistics.fmean(u[key] for i, u in enumerate(r["union"]) if i != j) for r in records]
        gap = sum(r["D1"][key] - o for r, o in zip(records, other))
        if gap > 0:
            found.append(1 - sum(r["union"][j][key] - o for r, o in zip(records, other)) / gap)
    return f"{100 * min(found):.0f}–{100 * max(found):.0f}" if found else "–"


def table(records):
    for members in sorted({r["members"] for r in records}):
        for cut in sorted({r["cut"] for r in records}):
            chosen = [r for r in records if r["members"] == members and r["cut"] == cut]
            if not chosen:
                continue
            print(f"\n{'random halves' if cut == 'random' else 'cut along the first feature'}, "
                  f"{members} member{'s' if members > 1 else ''}\n")
            shares = {}
            for key in scores:
                print(f"| set (splits) | {key}: D1 only | tangent | moving | union | closed: tangent | moving | seeds |")
                print("|---|---|---|---|---|---|---|---|")
                for name in uci.targets:
                    own = [r for r in chosen if r["set"] == name]
                    if not own:
                        continue
                    mean = lambda who: statistics.fmean(r[who][key] for r in own)
                    reference = statistics.fmean(union(r, key) for r in own)
                    found = {m: cells(own, m, key) for m in ("tangent", "moving-tangent")}
                    for m, cell in found.items():
                        shares.setdefault((key, m), []).append((cell[0], cell[2], name))
                    weak = " (weak reference)" if mean("linear") < reference else ""
                    print(f"| {name} ({len(own)}) | {mean('D1'):.4g} | {mean('tangent'):.4g} | {mean('moving-tangent'):.4g} "
                          f"| {reference:.4g}{weak} | {found['tangent'][1]} | {found['moving-tangent'][1]} "
                          f"| {seed_noise(own, key)} |")
                print()
            for (key, method), found in shares.items():
                with_gap = [share for share, _, _ in found if share is not None]
                worst = max(found, key=lambda f: f[1])
                median = f"{100 * statistics.median(with_gap):.0f} %" if with_gap else "–"
                print(f"{key}, {method}: median {median} over {len(with_gap)} sets with a gap, {len(found) - len(with_gap)} "
                      f"without; regret {statistics.fmean(f[1] for f in found):.3g} in the mean, at worst {worst[1]:.3g} ({worst[2]})")
            cpu = lambda who: statistics.fmean(r[who]["cpu"] for r in chosen)
            print(f"CPU seconds in the mean: fit D1 {cpu('D1'):.1f}, update staying {cpu('tangent'):.1f}, moving "
                  f"{cpu('moving-tangent'):.1f}, union {statistics.fmean(u['cpu'] for r in chosen for u in r['union']):.1f}")


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--results", required=True)
parser.add_argument("--sets", default=",".join(uci.targets))
parser.add_argument("--splits", type=int, default=5)
parser.add_argument("--members", default="1,5")
parser.add_argument("--cut", default="random", choices=["random", "along"])
parser.add_argument("--hidden", default="50")
parser.add_argument("--seeds", type=int, default=3)
parser.add_argument("--threads", default="2")
parser.add_argument("--only-table", action="store_true", help="measure nothing, print the table of what --results holds")
parser.add_argument("--binary", default=uci.default_binary)
arguments = parser.parse_args()
run = uci.command(arguments.binary)
uci.require_data()
results = pathlib.Path(arguments.results)
records = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
known = {(r["set"], r["split"], r["cut"], r["members"], r["hidden"]) for r in records}
if not arguments.only_table:
    for name in arguments.sets.split(","):
        for split in range(arguments.splits):
            for members in map(int, arguments.members.split(",")):
                if (name, split, arguments.cut, members, arguments.hidden) in known:
                    continue
                with tempfile.TemporaryDirectory() as folder:
                    record = measure(name, split, members, pathlib.Path(folder))
                records.append(record)
                with open(results, "a") as out:
                    out.write(json.dumps(record) + "\n")
table(records)
