"""`bnn-update compare --order` over the sets of ../shared/data that lie in time and over those of classes: gap closed in negative log
likelihood and in RMSE or error rate, by set. In time the earlier half of the rows (but a random tenth for testing) is D1; --last-quarter
cuts as ../shared/data/README.md does: first half, third quarter, last quarter as the test. Classes are cut at random, or along the first
feature.

    python3 Tests/Benchmarks/compare_sets.py time|classes [.build/release/bnn-update] [--seeds 3] [--sets a,b] [--last-quarter] [--along]
        [--methods a,b] [--members 1] [--stream 1] [--hidden 50]"""
import argparse, pathlib, sys, tempfile
import uci

data = uci.data.parent
bikes = ["--target", "cnt", "--time", "dteday", "--ignore", "instant,casual,registered,yr", "--categorical", "season,weathersit"]
sets = {
    "time": {
        "bike_hour": bikes,
        "beijing_pm25": ["--target", "pm2.5", "--ignore", "No,year", "--missing", "drop"],
        "seattle_weather": ["--target", "temp_max", "--time", "date", "--ignore", "weather"],
        "noaa_weather": ["--target", "target", "--likelihood", "bernoulli"],
        "elec2": ["--target", "class", "--likelihood", "bernoulli"],
    },
    "classes": {
        "digits": ["--target", "target", "--likelihood", "categorical"],
        "breast_cancer": ["--target", "target", "--likelihood", "bernoulli"],
        "wine": ["--target", "target", "--likelihood", "categorical"],
        "noaa_weather": ["--target", "target", "--likelihood", "bernoulli"],
    },
}

parser = argparse.ArgumentParser()
parser.add_argument("kind", choices=sets)
parser.add_argument("binary", nargs="?", default=uci.default_binary)
parser.add_argument("--seeds", type=int, default=3)
parser.add_argument("--sets")
parser.add_argument("--methods")
parser.add_argument("--members", type=int, default=1)
parser.add_argument("--stream", type=int, default=1)
parser.add_argument("--hidden", default="50")
parser.add_argument("--last-quarter", action="store_true")
parser.add_argument("--along", action="store_true")
options = parser.parse_args()
if not data.exists():
    sys.exit(f"skipped: {data} is not there")
run = uci.command(pathlib.Path(options.binary).resolve())


def arguments(name, folder):
    """The files of a set and how they are cut."""
    place = "timeordered" if options.kind == "time" or name == "noaa_weather" else "tabular"
    table = uci.read(data / place / name / "data.csv")
    header, rows = table[0], table[1:]
    if options.last_quarter:
        n = len(rows)
        parts = {"d1": rows[: n // 2], "d2": rows[n // 2 : 3 * n // 4], "test": rows[3 * n // 4 :]}
        for part, own in parts.items():
            uci.write(folder / f"{part}.csv", header, own)
        return [folder / "d1.csv", folder / "d2.csv", "--test", folder / "test.csv"]
    uci.write(folder / "all.csv", header, rows)
    order = "time" if options.kind == "time" else "feature" if options.along else "random"
    return [folder / "all.csv", "--order", order]


def cell(method, score):
    closed, interval = method["gap_closed"][score], method["gap_interval"][score]
    return "no gap" if closed is None else f"{100 * closed:.0f} [{100 * interval[0]:.0f}, {100 * interval[1]:.0f}]"


chosen = options.sets.split(",") if options.sets else list(sets[options.kind])
for name in chosen:
    with tempfile.TemporaryDirectory() as folder:
        words = arguments(name, pathlib.Path(folder)) + sets[options.kind][name]
        words += ["--seeds", options.seeds, "--members", options.members, "--stream", options.stream, "--hidden", options.hidden]
        words += ["--methods", options.methods] if options.methods else []
        found = run("compare", *words)
    error = next(score for score in found["gap"] if score != "nll")
    rows, weak = found["rows"], " (weak reference)" if found["weak_reference"] else ""
    print(f"\n{name}: {rows['d1']} rows of D1, {rows['d2']} of D2, {rows['test']} for testing, {options.seeds} seeds{weak}\n")
    shown = "accuracy" if "accuracy" in found["methods"][0] else error
    print(f"| method | nll | closed, % | {shown} | closed, % | seconds |\n|---|---|---|---|---|---|")
    for method in found["methods"]:
        if method["failure"]:
            print(f"| {method['name']} | failed: {method['failure']} |")
            continue
        words = [method["name"], f"{method['nll']:.4f}", cell(method, "nll"), f"{method[shown]:.4g}", cell(method, error)]
        print("|", " | ".join(words), f"| {method['seconds']:.1f} |", flush=True)
