#!/usr/bin/env python3
"""How often `update` says that a batch is not like D1: batches of the same source (false alarms, to be at most 1 %) and three kinds
that are not.

    python3 drift_table.py [--sets energy,power,…] [--methods linear,tangent,laplace] [--trials 100] [--batch 0.25] [--workers 2] [--kinds same,inputs,…]

Every trial cuts a set at random in halves, D1 and the rest; a batch is a part of the rest, drawn at random (`same`), or of those of
its rows alone that lie above the median of one column in turn (`inputs`); or drawn at random with a quarter of the target's deviation
added to every target (`target`), or with the targets of a tenth of the rows exchanged among them (`corrupted`). Printed per set and
method: in how many of the trials drift was found, and for `same` which questions found it. Standard library only. Not part of CI.
"""
import argparse, concurrent.futures, pathlib, random, statistics, tempfile

import uci

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--sets", default="boston,concrete,energy,kin8nm,power,wine-red")
parser.add_argument("--methods", default="linear,tangent,laplace")
parser.add_argument("--trials", type=int, default=100)
parser.add_argument("--batch", type=float, default=0.25, help="of the rows of D1")
parser.add_argument("--hidden", default="20")
parser.add_argument("--workers", type=int, default=2)
parser.add_argument("--first", type=int, default=0, help="number of the first trial")
parser.add_argument("--kinds", default="same,inputs,target,corrupted", help="same among them")
parser.add_argument("--binary", default=uci.default_binary)
arguments = parser.parse_args()
run = uci.command(arguments.binary)
uci.require_data()
kinds = ["same", "inputs", "target", "corrupted"]
asked = arguments.kinds.split(",")


def batches(rows, target, rest, size, trial, chance):
    """The batch of every kind, as rows of text."""
    drawn = [rows[i] for i in rest[:size]]
    features = [j for j in range(len(rows[0])) if j != target]
    column = features[trial % len(features)]
    middle = statistics.median(float(row[column]) for row in rows)
    above = [rows[i] for i in rest if float(rows[i][column]) > middle]
    deviation = statistics.pstdev(float(row[target]) for row in rows)
    shifted = [row[:target] + [repr(float(row[target]) + deviation / 4)] + row[target + 1:] for row in drawn]
    corrupted = [list(row) for row in drawn]
    chosen = chance.sample(range(len(drawn)), max(2, len(drawn) // 10))
    for i, j in zip(chosen, chosen[1:] + chosen[:1]):
        corrupted[i][target] = drawn[j][target]
    return {"same": drawn, "inputs": above[:size], "target": shifted, "corrupted": corrupted}


def judged(name, method, trial):
    table = uci.read(uci.data / name / "data.csv")
    header, rows = table[0], table[1:]
    flags = list(uci.flags(name))
    target = header.index(flags[flags.index("--target") + 1])
    chance = random.Random(9000 + trial)
    order = list(range(len(rows)))
    chance.shuffle(order)
    half = len(order) // 2
    network = [] if method == "linear" else ["--hidden", arguments.hidden]
    found = {}
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        uci.write(folder / "d1.csv", header, [rows[i] for i in order[:half]])
        run("fit", folder / "d1.csv", *flags, "--method", method, *network, "--seed", trial, "--threads", 1, "-o", folder / "p")
        size = max(2, round(half * arguments.batch))
        for kind, batch in batches(rows, target, order[half:], size, trial, chance).items():
            if kind not in asked or len(batch) < size // 4:
                continue
            uci.write(folder / "d2.csv", header, batch)
            own = ["--epochs", 1] if method == "laplace" else []
            found[kind] = run("update", folder / "p", folder / "d2.csv", *own, "--threads", 1, "--allow-repeated-data",
                              "-o", folder / "q", "--force")["drift"]
    return found


print("| set | method | same | inputs | target | corrupted | of `same`: by scatter, level, columns | F ÷ expected |")
print("|---|---|---|---|---|---|---|---|")
totals = {}
for name in arguments.sets.split(","):
    for method in arguments.methods.split(","):
        with concurrent.futures.ThreadPoolExecutor(arguments.workers) as pool:
            trials = range(arguments.first, arguments.first + arguments.trials)
            results = list(pool.map(lambda trial: judged(name, method, trial), trials))
        cells = []
        for kind in kinds:
            own = [result[kind] for result in results if result.get(kind)]
            hits = sum(drift["found"] for drift in own)
            cells.append(f"{hits} of {len(own)}" if own else "–")
            tally = totals.setdefault(method, {}).setdefault(kind, [0, 0])
            tally[0] += hits
            tally[1] += len(own)
        reasons = [drift["reasons"] for drift in (result["same"] for result in results) if drift and drift["found"]]
        parts = [sum("scatter" in own for own in reasons), sum("level" in own for own in reasons),
                 sum(any(word not in ("scatter", "level") for word in own) for own in reasons)]
        sizes = [result["same"]["scatter"]["statistic"] for result in results if result["same"] and result["same"]["scatter"]]
        size = f"{statistics.mean(sizes):.3f}" if sizes else "–"
        print(f"| {name} | {method} | {' | '.join(cells)} | {', '.join(map(str, parts))} | {size} |", flush=True)
for method, own in totals.items():
    print(f"| all | {method} | " + " | ".join(f"{hits} of {count}" for hits, count in own.values()) + " | | |")
