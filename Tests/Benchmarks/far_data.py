"""Images unlike any that a network was taught: how well the entropy of its classes and the spread of its outputs (`predict --uncertainty`)
tell KMNIST and Fashion-MNIST from MNIST's test images, as areas under the ROC curve, beside laplace-torch's Kronecker posterior at the same
weights, prior precision and images. Needs PyTorch, laplace-torch, safetensors, scikit-learn, ../shared/data/images and Debian's
dataset-fashion-mnist.

    PYTHON Tests/Benchmarks/far_data.py [.build/release/bnn-update] [--update] [--draws 1] [--passes 5] [--rows 1000] [--no-rival]

784-100-100-10 relu, pixels from 0 to 1, minibatches of 256. --update fits the first 30,000 images and updates with the others, and the figures
are those after the update (the rival has no update; it is given all 60,000 at the updated weights). --draws averages the curvature over so
many pairs (--curvature-draws). The first --rows test images of every set are scored, since laplace-torch's outputs take a second for ten."""
import argparse, gzip, os, pathlib, tempfile, time
import numpy as np
from sklearn.metrics import roc_auc_score
import uci

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("binary", nargs="?", default=uci.default_binary)
parser.add_argument("--update", action="store_true")
parser.add_argument("--draws", type=int, default=0)
parser.add_argument("--passes", type=int, default=5)
parser.add_argument("--rows", type=int, default=1000)
parser.add_argument("--no-rival", action="store_true")
options = parser.parse_args()
images = uci.root.parent / "shared" / "data" / "images"
folders = {"MNIST": images / "mnist", "KMNIST": images / "kmnist", "Fashion-MNIST": pathlib.Path("/usr/share/datasets/fashion-mnist")}
for folder in folders.values():
    if not folder.exists():
        raise SystemExit(f"skipped: {folder} is not there")
run = uci.command(pathlib.Path(options.binary).resolve())


def read(folder, name, skipped):
    path = next(p for p in folder.iterdir() if p.name.startswith(name))
    return np.frombuffer((gzip.open(path) if path.suffix == ".gz" else open(path, "rb")).read(), np.uint8)[skipped:]


def pixels(folder, name):
    return read(folder, name + "-images", 16).reshape(-1, 784).astype(np.float32) / 255


x = pixels(folders["MNIST"], "train")
y = read(folders["MNIST"], "train-labels", 8).astype(np.int64)
tests = {name: pixels(folder, "t10k")[: options.rows] for name, folder in folders.items()}
labels = read(folders["MNIST"], "t10k-labels", 8)[: options.rows]


# auto believes as much of the spread as makes MNIST's own probabilities right; the others all of it, as laplace-torch's probit does.
predictives = ["auto", "probit", "pairwise-probit", "bridge", "monte-carlo"]


def areas(scores):
    """ROC of each far set against MNIST."""
    return [
        roc_auc_score(np.r_[np.zeros(len(scores["MNIST"])), np.ones(len(scores[far]))], np.r_[scores["MNIST"], scores[far]])
        for far in list(folders)[1:]
    ]


def ours():
    half = len(x) // 2 if options.update else len(x)
    np.save("a.npy", x[:half]), np.save("al.npy", y[:half])
    flags = ["--epochs", options.passes, "--batch-size", 256, "--threads", 1]
    fit = run("fit", "a.npy", "--labels", "al.npy", "--hidden", "100,100", "--activation", "relu", "--normalize", "none", "--method", "laplace",
              "--structure", "kronecker", "--curvature-draws", options.draws, *flags, "-o", "p.safetensors")
    if options.update:
        np.save("b.npy", x[half:]), np.save("bl.npy", y[half:])
        run("update", "p.safetensors", "b.npy", "--labels", "bl.npy", "--in-place", *flags)
    found = {predictive: {} for predictive in predictives}
    for name, own in tests.items():
        np.save("t.npy", own)
        for predictive in predictives:
            run("predict", "p.safetensors", "t.npy", "--uncertainty", "--predictive", predictive, "-o", "t.npz", "--force")
            found[predictive][name] = dict(np.load("t.npz"))
    return fit["prior_precision"][0] if isinstance(fit["prior_precision"], list) else fit["prior_precision"], found


def rival(precision):
    """Entropy and spread of laplace-torch at our weights, and of the bare network the entropy."""
    import torch
    from laplace import Laplace
    from safetensors.numpy import load_file

    torch.set_num_threads(1)
    own = load_file("p.safetensors")
    net = torch.nn.Sequential(
        torch.nn.Linear(784, 100), torch.nn.ReLU(), torch.nn.Linear(100, 100), torch.nn.ReLU(), torch.nn.Linear(100, 10))
    with torch.no_grad():
        for k, layer in enumerate(net[::2]):
            for name, parameter in layer.named_parameters():
                parameter.copy_(torch.tensor(own[f"layers.{k}.{name}"]))
    data = torch.utils.data.TensorDataset(torch.tensor(x), torch.tensor(y))
    start = time.process_time()
    la = Laplace(net, "classification", subset_of_weights="all", hessian_structure="kron", prior_precision=float(precision))
    la.fit(torch.utils.data.DataLoader(data, batch_size=500))
    spread, entropy, plain = {}, {}, {}
    for name, own in tests.items():
        s, e, p = [], [], []
        for i in range(0, len(own), 50):
            rows = torch.tensor(own[i : i + 50])
            mean, covariance = la._glm_predictive_distribution(rows)
            variance = torch.diagonal(covariance, dim1=1, dim2=2)
            s.append(variance.mean(1).sqrt().detach().numpy())
            probit = torch.softmax(mean / torch.sqrt(1 + np.pi / 8 * variance), 1).detach().numpy().astype(float)
            e.append(-(probit * np.log(probit + 1e-300)).sum(1))
            bare = torch.softmax(net(rows), 1).detach().numpy().astype(float)
            p.append(-(bare * np.log(bare + 1e-300)).sum(1))
        spread[name], entropy[name], plain[name] = map(np.concatenate, (s, e, p))
    return spread, entropy, plain, time.process_time() - start


with tempfile.TemporaryDirectory() as place:
    os.chdir(place)
    precision, found = ours()
    spread_of = found["auto"]
    classes = np.stack([found["auto"]["MNIST"][f"p_{c}"] for c in range(10)], 1).argmax(1)
    print(f"accuracy on {len(labels)} of MNIST's test images {np.mean(classes == labels):.4f}, prior precision {precision:.4g}\n")
    print("| against MNIST | KMNIST: entropy | output sd | Fashion-MNIST: entropy | output sd |\n|---|---|---|---|---|")
    rows = {
        f"bnn-update, {predictive}": ({k: v["entropy"] for k, v in own.items()}, {k: v["output_sd"] for k, v in own.items()})
        for predictive, own in found.items()
    }
    if not options.no_rival:
        spread, entropy, plain, seconds = rival(precision)
        rows |= {"laplace-torch, probit": (entropy, spread), "the network alone": (plain, None)}
    for name, (e, s) in rows.items():
        cells = [f"{v:.4f}" for pair in zip(areas(e), areas(s) if s else [np.nan, np.nan]) for v in pair]
        print(f"| {name} | " + " | ".join(c.replace("nan", "–") for c in cells) + " |")
    if not options.no_rival:
        ratio = np.concatenate([spread_of[k]["output_sd"] / spread[k] for k in tests])
        print(f"\nour spread over laplace-torch's: median {np.median(ratio):.4f}, from {ratio.min():.4f} to {ratio.max():.4f}; "
              f"laplace-torch took {seconds:.0f} s of one core")
