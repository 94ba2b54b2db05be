"""Mean-field variational inference on the UCI sets of ../shared/data: test log-likelihood and RMSE of `fit` on all training
rows of the standard splits, 50 tanh units, beside the log-likelihoods published for Monte Carlo mean-field inference (MCVI in table 2 of
Wu et al. 2019: 50 relu units, a noise for every row).

    python3 Tests/Benchmarks/mean_field_table.py [.build/release/bnn-update] [--splits N] [--sets a,b] [-- flags of fit]"""
import argparse, math, pathlib, statistics, sys, tempfile
import uci

published = {
    "boston": -2.46, "concrete": -3.07, "energy": -1.03, "kin8nm": 1.14, "naval": 5.94, "power": -2.80, "wine-red": -0.92,
}
own, extra = sys.argv[1:], []
if "--" in own:
    own, extra = own[: own.index("--")], own[own.index("--") + 1 :]
parser = argparse.ArgumentParser()
parser.add_argument("binary", nargs="?", default=uci.default_binary)
parser.add_argument("--splits", type=int, default=20)
parser.add_argument("--sets", default=",".join(published))
options = parser.parse_args(own)
uci.require_data()
run = uci.command(options.binary)
print("| set (splits) | published | log-likelihood | RMSE | seconds a fit |\n|---|---|---|---|---|")
for name in options.sets.split(","):
    scores = []
    for split in range(min(options.splits, len(uci.read(uci.data / name / "test_splits.csv")))):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            uci.cut(name, split, folder)
            posterior = folder / "p.safetensors"
            fit = run("fit", folder / "both.csv", *uci.flags(name), "--method", "mean-field", "--seed", split, *extra,
                      "--threads", 1, "-o", posterior)
            test = run("evaluate", posterior, folder / "test.csv")
            scores.append((-test["nll"], test["rmse"], fit["cpu_seconds"]))
    columns = list(zip(*scores))
    def cell(values, digits):
        error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0
        return f"{statistics.mean(values):.{digits}f} ± {error:.{digits}f}"
    print(f"| {name} ({len(scores)}) | {published[name]:.2f} | {cell(columns[0], 3)} | {cell(columns[1], 4)} "
          f"| {statistics.mean(columns[2]):.1f} |", flush=True)
