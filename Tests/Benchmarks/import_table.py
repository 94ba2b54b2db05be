#!/usr/bin/env python3
"""How good is a posterior made of a network that was trained elsewhere? Gap closed by an update from it, beside that from a full fit.

    python3 import_table.py [--binary .build/release/bnn-update] [--sets boston,concrete,energy] [--splits 2] [--hidden 50] [--threads 1] [--blur 0]

For every split the standard test rows of ../shared/data/uci are held out and the others cut into random halves, or along their first
feature. A `laplace` fit on D1 (d-50-1, tanh) is the full fit; its bare weights, with the normalisation that they were trained under, are
imported with (a) D1 itself, (b) D1's number of rows and D2's inputs, (c) averages of squared gradients as Adam keeps them: of batches of
32 rows of D1, mean squared error, 3,000 steps with β₂ = 0.999 at those weights. (b) and (c) get D1's training error; prior precisions are
the defaults. With --blur H (b) takes ten copies of D2's inputs with normal noise of H of D1's deviations. Each is updated with D2. Gap
closed is 1 − Σ(update − union)/Σ(D1 only − union) over the splits, of negative log-likelihood and of RMSE; D1 only is the full fit, the
union a fit on D1 and D2. Needs NumPy; some ten minutes.
"""
import argparse, json, pathlib, struct, tempfile

import numpy as np

import uci


def tensors(path):
    """All tensors of a safetensors file, and the manifest of the posterior in it."""
    content = pathlib.Path(path).read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:8 + length])
    manifest = json.loads(header.pop("__metadata__")["manifest"])
    own = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        kind = {"F64": "<f8", "F32": "<f4"}.get(entry["dtype"])
        if kind:
            own[name] = np.frombuffer(content[8 + length + begin:8 + length + end], kind).reshape(entry["shape"])
    return own, manifest


def second_moments(weights, x, y, batch=32, steps=3000, beta=0.999):
    """What `state_dict` of an optimiser would hold: E[g²] of the mean squared error of batches, and the steps."""
    rng = np.random.default_rng(0)
    (w, b), (v, c) = (weights["0.weight"], weights["0.bias"]), (weights["2.weight"], weights["2.bias"])
    averages = {name: np.zeros_like(value) for name, value in weights.items()}
    for _ in range(steps):
        rows = rng.choice(len(x), min(batch, len(x)), replace=False)
        h = np.tanh(x[rows] @ w.T + b)
        delta = 2 * (h @ v.T + c - y[rows]) / len(rows)
        inner = delta @ v * (1 - h * h)
        for name, g in [("0.weight", inner.T @ x[rows]), ("0.bias", inner.sum(0)), ("2.weight", delta.T @ h), ("2.bias", delta.sum(0))]:
            averages[name] = beta * averages[name] + (1 - beta) * g * g
    return {name: value / (1 - beta**steps) for name, value in averages.items()}


def blurred(path, manifest, width, copies=10):
    """The inputs of a table again and again, each time with noise of so many of D1's deviations."""
    features, rng = manifest["model"]["schema"]["features"], np.random.default_rng(0)
    header, *rows = uci.read(path)
    x = np.tile(np.array(rows, float)[:, [header.index(c) for c in features]], (copies, 1))
    x += width * np.array(manifest["normalisation"]["featureScale"]) * rng.standard_normal(x.shape)
    new = path.with_name("blurred.csv")
    uci.write(new, features, [[repr(float(v)) for v in row] for row in x])
    return new


def measure(name, split, along, options, run, folder):
    uci.cut(name, split, folder, along)
    target, files = uci.targets[name], {part: folder / f"{part}.csv" for part in ["d1", "d2", "both", "test"]}
    common = ["--threads", options.threads]
    fit = ["--method", "laplace", "--hidden", options.hidden, *uci.flags(name), *common]
    score = lambda posterior: [run("evaluate", posterior, files["test"], *common)[key] for key in ("nll", "rmse")]
    new = lambda part: folder / f"{part}.safetensors"
    for path in folder.glob("*.safetensors"):
        path.unlink()
    run("fit", files["d1"], *fit, "-o", new("fit"))
    run("fit", files["both"], *fit, "-o", new("union"))
    own, manifest = tensors(new("fit"))
    scales = manifest["normalisation"]
    weights = {f"{module}.{kind}": own[f"layers.{layer}.{kind}"] for layer, module in [(0, 0), (1, 2)] for kind in ["weight", "bias"]}
    np.savez(folder / "weights.npz", **weights)
    center, scale = (np.array(scales[key]) for key in ("featureCenter", "featureScale"))
    (folder / "net.json").write_text(json.dumps({
        "input": {"columns": manifest["model"]["schema"]["features"], "center": list(center), "scale": list(scale)},
        "target": {"center": scales["targetCenter"], "scale": scales["targetScale"]},
        "layers": [
            {"type": "dense", "name": "0", "units": int(options.hidden), "activation": "tanh"},
            {"type": "dense", "name": "2", "units": 1},
        ],
    }))
    header, *rows = uci.read(files["d1"])
    table = np.array(rows, float)
    x = (table[:, [header.index(c) for c in manifest["model"]["schema"]["features"]]] - center) / scale
    y = (table[:, [header.index(target)]] - scales["targetCenter"]) / scales["targetScale"]
    np.savez(folder / "moments.npz", **second_moments(weights, x, y))
    mse = run("evaluate", new("fit"), files["d1"], *common)["rmse"] ** 2
    rest = ["--training-mse", repr(mse), "--rows", len(table)]
    start = ["import", folder / "weights.npz", "--network", folder / "net.json", "--target", target, *common]
    run(*start, "--data", files["d1"], "-o", new("a"))
    run(*start, *rest, "--inputs", blurred(files["d2"], manifest, options.blur) if options.blur else files["d2"], "-o", new("b"))
    run(*start, *rest, "--second-moments", folder / "moments.npz", "--batch-size", 32, "--loss", "mse", "-o", new("c"))
    result = {"before": score(new("fit")), "union": score(new("union"))}
    for kind in ["fit", "a", "b", "c"]:
        run("update", new(kind), files["d2"], *common, "-o", new(f"{kind}2"))
        result[kind] = score(new(f"{kind}2"))
    return result


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--binary", default=uci.default_binary)
    options.add_argument("--sets", default="boston,concrete,energy")
    options.add_argument("--splits", type=int, default=2)
    options.add_argument("--hidden", default="50")
    options.add_argument("--threads", default="1")
    options.add_argument("--blur", type=float, default=0)
    options = options.parse_args()
    uci.require_data()
    run = uci.command(pathlib.Path(options.binary).resolve())
    print("| set, halves | score | D1 only | union | full fit | (a) D1 | (b) D2's inputs | (c) Adam's averages |")
    print("|---|---|---|---|---|---|---|---|")
    for name in options.sets.split(","):
        for along in [False, True]:
            with tempfile.TemporaryDirectory() as folder:
                results = [measure(name, split, along, options, run, pathlib.Path(folder)) for split in range(options.splits)]
            for k, what in enumerate(["nll", "rmse"]):
                mean = lambda kind: sum(r[kind][k] for r in results) / len(results)
                gap = mean("before") - mean("union")
                cells = [f"{mean(kind):.3f} ({100 * (1 - (mean(kind) - mean('union')) / gap):.0f} %)" for kind in ["fit", "a", "b", "c"]]
                cut = "along a feature" if along else "random"
                print(f"| {name}, {cut} | {what} | {mean('before'):.3f} | {mean('union'):.3f} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
