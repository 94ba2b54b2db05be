"""The ways people continue a trained network, on UCI sets of ../shared/data: test RMSE and negative log-likelihood (nats a row) of
D1 alone, of every `update --method` on D2 alone, of a Laplace posterior updated by D2, and of a network trained on both. 50 tanh
units; D1 and D2 are halves of the training rows, at random or along the first feature. The weights of D1, its noise and its prior are
those of `laplace` in a structure (full: the evidence of the full curvature chose them; diagonal is what `--method point` fits).

    python3 Tests/Benchmarks/point_table.py [.build/release/bnn-update] [--structure full] [--splits 5] [--sets a,b] [--along]"""
import argparse, pathlib, statistics, tempfile
import uci

methods = {
    "hot-start": [], "freeze": [], "layer-rates": [], "ewc": [], "ewc, λ = 10": ["--strength", 10], "l2-start": [], "distil": [],
    "oversample": [],
}
parser = argparse.ArgumentParser()
parser.add_argument("binary", nargs="?", default=uci.default_binary)
parser.add_argument("--splits", type=int, default=5)
parser.add_argument("--sets", default="boston,concrete,energy")
parser.add_argument("--structure", default="full")
parser.add_argument("--along", action="store_true")
options = parser.parse_args()
uci.require_data()
run = uci.command(pathlib.Path(options.binary).resolve())
found = {}
sets = options.sets.split(",")
for name in sets:
    for split in range(options.splits):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            uci.cut(name, split, folder, along=options.along)

            def note(what, posterior):
                scores = run("evaluate", posterior, folder / "test.csv")
                found.setdefault((what, name), []).append((scores["rmse"], scores["nll"]))

            def fit(what, data):
                posterior = folder / data.replace("csv", "posterior")
                run("fit", folder / data, *uci.flags(name), "--method", "laplace", "--structure", options.structure, "--seed", split,
                    "--threads", 1, "-o", posterior)
                note(what, posterior)
                return posterior

            def update(what, before, *flags):
                run("update", before, folder / "d2.csv", *flags, "--threads", 1, "--force", "-o", folder / "q")
                note(what, folder / "q")

            before = fit("D1 only, laplace", "d1.csv")
            for what, flags in methods.items():
                update(what, before, "--method", what.split(",")[0], *flags)
            update("laplace", before)
            fit("both, laplace", "both.csv")
print("| RMSE / nll, mean of", options.splits, "splits |", " | ".join(sets), "|\n|---" * 1 + "|---" * len(sets) + "|")
for what in dict.fromkeys(key[0] for key in found):
    cells = [found[what, name] for name in sets]
    print(f"| {what} |", " | ".join(
        f"{statistics.fmean(r for r, _ in c):.3f} / {statistics.fmean(n for _, n in c):.3f}" for c in cells), "|")
