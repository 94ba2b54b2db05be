"""Permuted MNIST, ten tasks, 784-100-100-10, one head, by `fit --method mean-field` and nine updates without stored rows:
accuracy on every task after the last. Needs NumPy and ../shared/data/images/mnist.

    python3 Tests/Benchmarks/mean_field_permuted.py [.build/release/bnn-update] [--passes 10] [-- flags of fit and update]"""
import argparse, gzip, os, pathlib, sys, tempfile
import numpy as np
import uci

own, extra = sys.argv[1:], []
if "--" in own:
    own, extra = own[: own.index("--")], own[own.index("--") + 1 :]
parser = argparse.ArgumentParser()
parser.add_argument("binary", nargs="?", default=uci.default_binary)
parser.add_argument("--passes", default="10")
options = parser.parse_args(own)
folder = uci.root.parent / "shared" / "data" / "images" / "mnist"
if not folder.exists():
    sys.exit(f"skipped: {folder} is not there")
run = uci.command(pathlib.Path(options.binary).resolve())


def read(name, skipped):
    return np.frombuffer(gzip.open(folder / name).read(), np.uint8)[skipped:]


train = read("train-images-idx3-ubyte.gz", 16).reshape(-1, 784).astype(np.float32) / 255
test = read("t10k-images-idx3-ubyte.gz", 16).reshape(-1, 784).astype(np.float32) / 255
with tempfile.TemporaryDirectory() as place:
    os.chdir(place)
    np.save("labels.npy", read("train-labels-idx1-ubyte.gz", 8).astype(np.int64))
    np.save("test_labels.npy", read("t10k-labels-idx1-ubyte.gz", 8).astype(np.int64))
    common = ["--labels", "labels.npy", "--epochs", options.passes, "--all-epochs", "--batch-size", 256, "--threads", 1, *extra]
    seconds = 0
    for task in range(10):
        order = np.arange(784) if task == 0 else np.random.default_rng(task).permutation(784)
        np.save("images.npy", train[:, order])
        np.save(f"test{task}.npy", test[:, order])
        words = (
            ["fit", "images.npy", "--hidden", "100,100", "--activation", "relu", "--method", "mean-field", "--normalize",
             "none", "-o", "p.safetensors"] if task == 0 else ["update", "p.safetensors", "images.npy", "--in-place"])
        seconds += run(*words, *common)["cpu_seconds"]
    scores = [run("evaluate", "p.safetensors", f"test{t}.npy", "--labels", "test_labels.npy")["accuracy"] for t in range(10)]
    print(f"mean accuracy {np.mean(scores):.4f}; task by task", " ".join(f"{s:.3f}" for s in scores), f"; {seconds:.0f} s of one core")
