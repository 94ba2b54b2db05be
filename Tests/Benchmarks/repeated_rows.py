#!/usr/bin/env python3
"""How often `update` warns of rows that were absorbed before: on UCI sets, by the share of the batch that was.

    python3 repeated_rows.py [--sets kin8nm,power,wine-red] [--trials 100]

Every trial cuts a set at random in halves, D1 and the rest; the batch is half as many rows as D1, of which a share is drawn from D1
and the others from the rest. `linear` alone: the sample of fingerprints is the same for every method. Printed: in how many of the
trials there was a warning (p < 0.001), the mean estimate beside the true number that was drawn from D1, the mean standard error that the
command states and what the set's own duplicates let expect. Standard library only. Not part of CI.
"""
import argparse, pathlib, random, statistics, tempfile

import uci

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--sets", default="kin8nm,power,wine-red")
parser.add_argument("--trials", type=int, default=100)
parser.add_argument("--shares", default="0,1,5,50,100", help="percent")
parser.add_argument("--binary", default=uci.default_binary)
arguments = parser.parse_args()
run = uci.command(arguments.binary)
uci.require_data()

print("| set | D1 | batch | of D1 | warned | estimate | ± stated | expected |\n|---|---|---|---|---|---|---|---|")
for name in arguments.sets.split(","):
    table = uci.read(uci.data / name / "data.csv")
    header, rows = table[0], table[1:]
    found = {}
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        for trial in range(arguments.trials):
            chance = random.Random(7000 + trial)
            order = list(range(len(rows)))
            chance.shuffle(order)
            half = len(order) // 2
            first, rest = order[:half], order[half:]
            uci.write(folder / "d1.csv", header, [rows[i] for i in first])
            run("fit", folder / "d1.csv", *uci.flags(name), "--method", "linear", "-o", folder / "p", "--force")
            for share in map(int, arguments.shares.split(",")):
                size = half // 2
                old = round(size * share / 100)
                batch = chance.sample(first, old) + chance.sample(rest, size - old)
                uci.write(folder / "d2.csv", header, [rows[i] for i in batch])
                made = run("update", folder / "p", folder / "d2.csv", "-o", folder / "q", "--force")
                found.setdefault(share, []).append(made | {"size": size, "old": old})
    for share, own in found.items():
        mean = lambda key: statistics.mean(trial[f"repeated_rows_{key}"] for trial in own)
        warned = sum(trial["repeated_rows_p_value"] < 1e-3 for trial in own)
        print(f"| {name} | {len(rows) // 2} | {own[0]['size']} | {own[0]['old']} ({share} %) | {warned} of {len(own)} | "
              f"{mean('estimate'):.1f} | {mean('standard_error'):.1f} | {mean('expected'):.1f} |")
