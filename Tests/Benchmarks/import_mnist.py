"""A network that other people trained on MNIST (../shared/data/pretrained), imported and updated with new rows.

    python3 import_mnist.py [--binary .build/release/bnn-update] [--epochs 5] [--rates 1e-3,1e-4] [--threads 1]

The 784-100-10 network comes as weights alone: its curvature is taken at the new rows' inputs and counted 60,000/rows times (--rows,
--inputs; Kronecker). Two cases: 5,000 rows of MNIST's test set, scored on its other 5,000; and 10,000 rows of the training set, scored
on the whole test set (these the network has seen, which nobody could know from its weights). Beside the update under that posterior the
same passes of Adam without one (hot-start). Accuracy and negative log-likelihood in nats. Standard library only; some minutes.
"""
import argparse, gzip, json, pathlib, struct, subprocess, sys, tempfile

import uci

images = uci.root.parent / "shared" / "data" / "images" / "mnist"
weights = uci.root.parent / "shared" / "data" / "pretrained" / "mnist_mlp_784_100_10_sigmoid.safetensors"
network = {
    "input": {"divide_by": 255, "center": 0.1307, "scale": 0.3081}, "likelihood": "categorical",
    "layers": [
        {"type": "dense", "name": "fc1", "units": 100, "activation": "sigmoid"},
        {"type": "dense", "name": "fc2", "units": 10},
    ],
}


def part(folder, name, kind, rows):
    """Some rows of images and labels as files of their own."""
    for what, sizes in [("images-idx3", [28, 28]), ("labels-idx1", [])]:
        with gzip.open(images / f"{kind}-{what}-ubyte.gz") as file:
            content = file.read()
        start, width = 8 + 4 * len(sizes), 784 if sizes else 1
        header = content[:4] + struct.pack(f">{1 + len(sizes)}I", len(rows), *sizes)
        own = content[start + rows.start * width:start + rows.stop * width]
        (folder / f"{name}-{what}-ubyte").write_bytes(header + own)
    return folder / f"{name}-images-idx3-ubyte", folder / f"{name}-labels-idx1-ubyte"


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--binary", default=uci.default_binary)
    options.add_argument("--epochs", default="5")
    options.add_argument("--rates", default="1e-3,1e-4")
    options.add_argument("--threads", default="1")
    options = options.parse_args()
    if not weights.exists() or not images.exists():
        sys.exit(f"skipped: {weights} or {images} is not there")
    run = uci.command(pathlib.Path(options.binary).resolve())
    print("| new rows | scored on | | accuracy | nll |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "net.json").write_text(json.dumps(network))
        cases = [
            ("5,000 of the test set", "the other 5,000", ("t10k", range(5000)), ("t10k", range(5000, 10000))),
            ("10,000 of the training set", "the test set", ("train", range(10000)), ("t10k", range(10000))),
        ]
        for number, (words, on, new, test) in enumerate(cases):
            x, y = part(folder, f"new{number}", *new)
            xt, yt = part(folder, f"test{number}", *test)
            prior = folder / f"p{number}"
            run("import", weights, "--network", folder / "net.json", "--rows", 60000, "--inputs", x, "--target", "label",
                "--structure", "kronecker", "--threads", options.threads, "-o", prior)

            def line(what, posterior):
                scores = run("evaluate", posterior, xt, "--labels", yt, "--threads", options.threads)
                print(f"| {words} | {on} | {what} | {scores['accuracy']:.4f} | {scores['nll']:.4f} |", flush=True)

            line("before", prior)
            for method in ["laplace", "hot-start"]:
                for rate in options.rates.split(","):
                    after = folder / f"{number}-{method}-{rate}"
                    run("update", prior, x, "--labels", y, "--method", method, "--epochs", options.epochs, "--learning-rate", rate,
                        "--threads", options.threads, "-o", after)
                    what = "update" if method == "laplace" else method
                    line(f"{what}, {options.epochs} passes at {rate}", after)


if __name__ == "__main__":
    main()
