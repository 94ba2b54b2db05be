"""What the benchmarks on UCI sets share: reading and cutting the tables of ../shared/data/uci, and running the command.
Standard library only."""
import csv, gzip, json, pathlib, random, resource, subprocess, sys

root = pathlib.Path(__file__).resolve().parents[2]
data = root.parent / "shared" / "data" / "uci"
targets = {
    "airfoil": "y", "boston": "MEDV", "concrete": "strength_mpa", "elevators": "y", "energy": "heating_load", "kin8nm": "y",
    "naval": "gt_compressor_decay", "power": "PE", "wine-red": "quality",
}
ignored = {"naval": ["UNUSED_gt_turbine_decay"]}
default_binary = str(root / ".build" / "release" / "bnn-update")


def require_data():
    if not data.exists():
        sys.exit(f"skipped: {data} is not there")


def read(path):
    path = path if path.exists() else path.with_name(path.name + ".gz")
    opened = gzip.open(path, "rt") if path.suffix == ".gz" else open(path)
    with opened as lines:
        return list(csv.reader(lines))


def write(path, header, rows):
    with open(path, "w", newline="") as out:
        csv.writer(out, lineterminator="\n").writerows([header] + rows)


def command(binary):
    """A function that runs the command with --json and returns its object, with `cpu_seconds` of all threads added: what
    other programs do on the machine changes them little."""
    def run(*words):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([str(binary), *map(str, words), "--json", "--quiet"], capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return json.loads(done.stdout) | {"cpu_seconds": used}
    return run


def flags(name):
    """--target and --ignore of a set."""
    words = ["--target", targets[name]]
    return words + (["--ignore", ",".join(ignored[name])] if name in ignored else [])


def cut(name, split, folder, along=False):
    """Writes d1, d2, both and test .csv: the standard test rows held out, the others in halves: at random (seeded by the
    split), or D1 the rows up to the median of the first feature. Along the feature also test-like-d1 and test-like-d2."""
    table = read(data / name / "data.csv")
    header, rows = table[0], table[1:]
    test = {int(cell) for cell in read(data / name / "test_splits.csv")[split] if cell.strip()}
    kept = [i for i in range(len(rows)) if i not in test]
    random.Random(1000 + split).shuffle(kept)
    half = len(kept) // 2
    parts = {"d1": kept[:half], "d2": kept[half:], "both": kept, "test": sorted(test)}
    if along:
        median = sorted(float(rows[i][0]) for i in kept)[half]
        like_d1 = lambda i: float(rows[i][0]) <= median
        parts |= {
            "d1": [i for i in kept if like_d1(i)], "d2": [i for i in kept if not like_d1(i)],
            "test-like-d1": [i for i in sorted(test) if like_d1(i)],
            "test-like-d2": [i for i in sorted(test) if not like_d1(i)],
        }
    for part, indices in parts.items():
        write(folder / f"{part}.csv", header, [rows[i] for i in indices])
