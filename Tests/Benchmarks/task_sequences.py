"""Updates on sequences of tasks of images without stored rows, by Laplace's approximation, mean-field inference or any other method:
accuracy on every task after the last. Needs NumPy and ../shared/data/images/mnist (or Debian's dataset-fashion-mnist).

    python3 Tests/Benchmarks/task_sequences.py permuted|split [.build/release/bnn-update] [--images mnist|fashion] [--passes 10]
        [--method mean-field] [--update METHOD … and flags of updates, as one word] [--every FILE] [-- flags of fit and update]
    python3 Tests/Benchmarks/task_sequences.py permuted --method laplace --passes 5 --first="--structure kronecker --curvature-draws 1"
    python3 Tests/Benchmarks/task_sequences.py split --hidden 200 --batch-size 128 --passes 20 --first="--prior-precision 1"

permuted: ten tasks (--tasks), each with its own order of the pixels, 784-100-100-10, one head. split: five tasks of two classes, a head each,
784-256-256. The last line above has the network and the prior of the published split MNIST; --first has flags of the fit alone.
--every writes the accuracy on every task so far after every task, one line a task; --seed draws other weights, orders and minibatches."""
import argparse, gzip, os, pathlib, sys, tempfile
import numpy as np
import uci

own, extra = sys.argv[1:], []
if "--" in own:
    own, extra = own[: own.index("--")], own[own.index("--") + 1 :]
parser = argparse.ArgumentParser()
parser.add_argument("sequence", choices=["permuted", "split"])
parser.add_argument("binary", nargs="?", default=uci.default_binary)
parser.add_argument("--images", choices=["mnist", "fashion"], default="mnist")
parser.add_argument("--passes", default="10")
parser.add_argument("--method", default="mean-field")
parser.add_argument("--update", default="")
parser.add_argument("--hidden")
parser.add_argument("--batch-size", default="256")
parser.add_argument("--first", default="")
parser.add_argument("--every", type=pathlib.Path)
parser.add_argument("--tasks", type=int, default=10, help="of permuted")
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args(own)
folder = uci.root.parent / "shared" / "data" / "images" / "mnist"
if options.images == "fashion":
    folder = pathlib.Path("/usr/share/datasets/fashion-mnist")
if not folder.exists():
    sys.exit(f"skipped: {folder} is not there")
run = uci.command(pathlib.Path(options.binary).resolve())
every = options.every.resolve() if options.every else None


def read(name, skipped):
    return np.frombuffer(gzip.open(folder / name).read(), np.uint8)[skipped:]


def pixels(name):
    return read(name, 16).reshape(-1, 784).astype(np.float32) / 255


sets = {
    "train": (pixels("train-images-idx3-ubyte.gz"), read("train-labels-idx1-ubyte.gz", 8).astype(np.int64)),
    "test": (pixels("t10k-images-idx3-ubyte.gz"), read("t10k-labels-idx1-ubyte.gz", 8).astype(np.int64)),
}
permuted = options.sequence == "permuted"
tasks = options.tasks if permuted else 5
shape = ["--hidden", options.hidden or ("100,100" if permuted else "256,256"), *options.first.split()]
shape += [] if permuted else ["--heads", "0,1;2,3;4,5;6,7;8,9"]


def write(task, name):
    images, labels = sets[name]
    if permuted:
        order = np.arange(784) if task == 0 else np.random.default_rng(task + 1000 * options.seed).permutation(784)
        images = images[:, order]
    else:
        images, labels = images[labels // 2 == task], labels[labels // 2 == task]
    np.save(f"{name}.npy", images)
    np.save(f"{name}_labels.npy", labels)
    return [f"{name}.npy", "--labels", f"{name}_labels.npy"]


def scores(count):
    return [run("evaluate", "p.safetensors", *write(task, "test"))["accuracy"] for task in range(count)]


with tempfile.TemporaryDirectory() as place:
    os.chdir(place)
    common = ["--epochs", options.passes, "--batch-size", options.batch_size, "--threads", 1, *extra]
    common += ["--all-epochs"] if options.method == "mean-field" else []
    common += ["--seed", options.seed] if options.seed else []
    going_on = ["--method", *options.update.split()] if options.update else []
    seconds, lines = 0, []
    for task in range(tasks):
        data = write(task, "train")
        words = (["fit", *data, *shape, "--activation", "relu", "--method", options.method, "--normalize", "none",
                  "-o", "p.safetensors"] if task == 0 else ["update", "p.safetensors", *data, "--in-place", *going_on])
        seconds += run(*words, *common)["cpu_seconds"]
        if every:
            lines.append(" ".join(f"{s:.4f}" for s in scores(task + 1)))
            every.write_text("\n".join(lines) + "\n")
    last = scores(tasks)
    print(f"mean accuracy {np.mean(last):.4f}; task by task", " ".join(f"{s:.3f}" for s in last),
          f"; {seconds:.0f} s of one core")
