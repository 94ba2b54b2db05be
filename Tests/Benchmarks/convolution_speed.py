#!/usr/bin/env python3
"""One pass of Adam over 60,000 (or 10,000: --kind t10k) images of a convolutional network, ours and PyTorch's, one thread each, in processor seconds.

    swift build -c release
    PYTHON_WITH_TORCH Tests/Benchmarks/convolution_speed.py .build/release/bnn-update [--runs 3] [--batch-size 128]

Both sides take turns; medians of the runs. Ours is the difference of a training of three passes and one of one, so that start,
reading and writing are left out; PyTorch's are passes two and three inside its process, over tensors in memory in random order, the loss
and Adam (fused) included. Needs the Debian package dataset-fashion-mnist. Not part of any test.
"""

import argparse
import gzip
import json
import pathlib
import resource
import statistics
import subprocess
import tempfile

import torch

IMAGES = pathlib.Path("/usr/share/datasets/fashion-mnist")


def network():
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(1568, 64), nn.ReLU(), nn.Linear(64, 10))


NETWORK = {
    "input": {"shape": [1, 28, 28]},
    "layers": [
        {"type": "conv2d", "channels": 16, "kernel": 3, "padding": 1, "activation": "relu"}, {"type": "max-pool", "kernel": 2},
        {"type": "conv2d", "channels": 32, "kernel": 3, "padding": 1, "activation": "relu"}, {"type": "max-pool", "kernel": 2},
        {"type": "flatten"}, {"type": "dense", "units": 64, "activation": "relu"}, {"type": "dense", "units": 10}],
}


def cpu(who):
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def torch_pass(x, y, batch):
    model = network()
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3, fused=True)
    loss = torch.nn.CrossEntropyLoss()
    start = None
    for epoch in range(3):
        if epoch == 1:
            start = cpu(resource.RUSAGE_SELF)
        order = torch.randperm(len(x))
        for first in range(0, len(x), batch):
            own = order[first : first + batch]
            optimiser.zero_grad()
            loss(model(x[own]), y[own]).backward()
            optimiser.step()
    return (cpu(resource.RUSAGE_SELF) - start) / 2


def our_pass(binary, folder, batch, kind):
    seconds = []
    for epochs in (1, 3):
        start = cpu(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [binary, "fit", IMAGES / f"{kind}-images-idx3-ubyte.gz", "--labels", IMAGES / f"{kind}-labels-idx1-ubyte.gz", "--network",
             folder / "net.json", "--method", "laplace", "--layers", "last", "--structure", "diagonal", "--epochs", str(epochs), "--batch-size", str(batch), "--learning-rate", "0.002",
             "--threads", "1", "--force", "--quiet", "-o", folder / "p.safetensors"], check=True, stdout=subprocess.DEVNULL)
        seconds.append(cpu(resource.RUSAGE_CHILDREN) - start)
    return (seconds[1] - seconds[0]) / 2


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--kind", choices=["train", "t10k"], default="train")
    options = parser.parse_args()
    if not IMAGES.exists():
        print(f"skipped: {IMAGES} is not there")
        return
    torch.set_num_threads(1)
    data = gzip.open(IMAGES / f"{options.kind}-images-idx3-ubyte.gz").read()[16:]
    x = torch.frombuffer(bytearray(data), dtype=torch.uint8).reshape(-1, 1, 28, 28).float() / 255
    x = (x - x.mean()) / x.std()
    y = torch.frombuffer(bytearray(gzip.open(IMAGES / f"{options.kind}-labels-idx1-ubyte.gz").read()[8:]), dtype=torch.uint8).long()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "net.json").write_text(json.dumps(NETWORK))
        ours, theirs = [], []
        for _ in range(options.runs):
            ours.append(our_pass(options.binary, folder, options.batch_size, options.kind))
            theirs.append(torch_pass(x, y, options.batch_size))
            print(f"one pass: bnn-update {ours[-1]:.2f} s, PyTorch {theirs[-1]:.2f} s", flush=True)
    a, b = statistics.median(ours), statistics.median(theirs)
    print(f"median: bnn-update {a:.2f} s, PyTorch {b:.2f} s of processor time, ratio {b / a:.2f}; torch {torch.__version__}")


main()
