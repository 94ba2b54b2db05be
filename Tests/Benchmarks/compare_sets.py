"""`bnn-update compare --order` over the sets of ../shared/data that lie in time and over those of classes: gap closed in negative log
likelihood and in RMSE or error rate, by set. In time the earlier half of the rows (but a random tenth for testing) is D1; --last-quarter
cuts as ../shared/data/README.md does: first half, third quarter, last quarter as the test. Classes are cut at random, or along the first
feature. `fashion` (--sets fashion --hidden 100) is the first half of the images of Debian's dataset-fashion-mnist, then the second, and its test.

    python3 Tests/Benchmarks/compare_sets.py time|classes [.build/release/bnn-update] [--seeds 3] [--sets a,b] [--last-quarter] [--along]
        [--methods a,b] [--members 1] [--stream 1] [--hidden 50]"""
import argparse, gzip, pathlib, sys, tempfile
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
        "fashion": ["--activation", "relu", "--normalize", "pixel"],
    },
}
images = pathlib.Path("/usr/share/datasets/fashion-mnist")

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


def halves(folder):
    """Images and labels of both halves and of the test, as IDX files."""
    words, labels = [], []
    for part, kind, start, end in [("d1", "train", 0, 30000), ("d2", "train", 30000, 60000), ("test", "t10k", 0, 10000)]:
        for form, width, header in [("images-idx3", 784, b"\0\0\x08\x03%s\0\0\0\x1c\0\0\0\x1c"), ("labels-idx1", 1, b"\0\0\x08\x01%s")]:
            head = 16 if width > 1 else 8
            own = gzip.open(images / f"{kind}-{form}-ubyte.gz").read()[head + start * width : head + end * width]
            path = folder / f"{part}-{form}.idx"
            path.write_bytes(header.replace(b"%s", (end - start).to_bytes(4, "big")) + own)
            (words if width > 1 else labels).append(path)
    return [*words[:2], "--test", words[2], *[word for path in labels for word in ("--labels", path)]]


def arguments(name, folder):
    """The files of a set and how they are cut."""
    if name == "fashion":
        return halves(folder)
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
if "fashion" in chosen and not images.exists():
    print(f"fashion: skipped, {images} is not there")
    chosen.remove("fashion")
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
