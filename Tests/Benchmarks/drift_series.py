#!/usr/bin/env python3
"""What `update` says of batches in their order of time: bike_hour month by month, and elec2 at its border.

    python3 drift_series.py [--method linear] [--hidden 20]

bike_hour: the first year is D1; every month of the second is judged against it and all months before, and absorbed. Log counts of
rentals by hour, weather and calendar (not by month or season, which a batch of one month cannot share). elec2: of the first 17,424 rows (one
market; three columns are constant) the first 12,000 are D1, the next ones a batch from before the border, then 2,000 from behind it; classes.
Standard library only. Not part of CI.
"""
import argparse, math, pathlib, subprocess, json, tempfile

import uci

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--method", default="linear")
parser.add_argument("--hidden", default="20")
parser.add_argument("--binary", default=uci.default_binary)
arguments = parser.parse_args()
run = uci.command(arguments.binary)
uci.require_data()
series = uci.data.parent / "timeordered"


def line(name, rows, drift):
    inputs = drift["inputs"]
    columns = [f"{own['name']} {own['p_value']:.1g}" for own in inputs["columns"] if own["differs"]] if inputs else []
    cells = [f"{drift[key]['p_value']:.2g}" if drift[key] else "–" for key in ("scatter", "level")]
    statistic = drift["scatter"] and drift["scatter"]["statistic"]
    print(f"| {name} | {rows} | {drift['p_value']:.2g} | {cells[0]} ({statistic:.3g}) | {cells[1]} | {', '.join(columns[:6]) or '–'} |", flush=True)


print("| batch | rows | verdict p | scatter p (F or nats) | level p | columns that differ |\n|---|---|---|---|---|---|")
with tempfile.TemporaryDirectory() as place:
    folder = pathlib.Path(place)
    table = uci.read(series / "bike_hour" / "data.csv")
    header = table[0]
    at = {name: j for j, name in enumerate(header)}
    kept = ["hr", "holiday", "workingday", "weathersit", "temp", "hum", "windspeed"]
    months = {}
    for row in table[1:]:
        day = row[at["dteday"]]
        months.setdefault(day[:7], []).append([row[at[name]] for name in kept] + [repr(math.log(float(row[at["cnt"]])))])
    order = sorted(months)
    first = [row for month in order[:12] for row in months[month]]
    uci.write(folder / "d1.csv", kept + ["log_cnt"], first)
    network = [] if arguments.method == "linear" else ["--hidden", arguments.hidden]
    run("fit", folder / "d1.csv", "--target", "log_cnt", "--categorical", "hr,weathersit", "--method", arguments.method, *network,
        "-o", folder / "p")
    for month in order[12:]:
        uci.write(folder / "d2.csv", kept + ["log_cnt"], months[month])
        line(f"bike {month}", len(months[month]), run("update", folder / "p", folder / "d2.csv", "--in-place")["drift"])

    table = uci.read(series / "elec2" / "data.csv")
    header, rows = table[0], table[1:]
    own = ["--target", "class", "--likelihood", "bernoulli", "--method", "laplace", "--structure", "full", "--hidden", "8"]
    uci.write(folder / "e1.csv", header, rows[:12000])
    run("fit", folder / "e1.csv", *own, "-o", folder / "e")
    for name, start, end in [("elec2 before the border", 12000, 14000), ("elec2 up to the border", 15424, 17424), ("elec2 behind it", 17424, 19424)]:
        uci.write(folder / "e2.csv", header, rows[start:end])
        line(name, end - start, run("update", folder / "e", folder / "e2.csv", "-o", folder / "e3", "--force")["drift"])
