#!/usr/bin/env python3
"""How far Kronecker products of convolutions are from the curvature they stand for: relative Frobenius errors of the settings to expand and to
reduce, of the exact diagonals in the eigenvectors of either (EKFAC), and of the diagonal itself, for the first two convolutions of a network that others trained on MNIST.

    PYTHON_WITH_TORCH Tests/Benchmarks/kronecker_convolution_table.py [--rows 500]

Needs ../shared/data. Explicit Jacobians in PyTorch; nothing of ours. Not part of any test.
"""

import argparse
import gzip
import pathlib

import torch
from safetensors.torch import load_file
from torch import nn

DATA = pathlib.Path(__file__).resolve().parents[3] / "shared" / "data"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=500)
    options = parser.parse_args()
    if not DATA.exists():
        print("skipped: ../shared/data is not there")
        return
    w = load_file(DATA / "pretrained" / "mnist_cnn_burn.safetensors")
    conv = [nn.Conv2d(1, 8, 3), nn.Conv2d(8, 16, 3), nn.Conv2d(16, 24, 3)]
    rest = nn.Sequential(nn.BatchNorm2d(24), nn.Flatten(), nn.Linear(11616, 32), nn.ReLU(), nn.Linear(32, 10), nn.BatchNorm1d(10)).eval()
    for k, layer in enumerate(conv, 1):
        layer.load_state_dict({"weight": w[f"conv{k}.weight"], "bias": w[f"conv{k}.bias"]})
    for place, name in [(0, "norm1"), (2, "fc1"), (4, "fc2"), (5, "norm2")]:
        rest[place].load_state_dict({k.split(".", 1)[1]: v for k, v in w.items() if k.startswith(name + ".")})
    data = gzip.open(DATA / "images" / "mnist" / "t10k-images-idx3-ubyte.gz").read()[16 : 16 + 784 * options.rows]
    x = torch.frombuffer(bytearray(data), dtype=torch.uint8).reshape(-1, 1, 28, 28).float() / 255
    x = (x - 0.1307) / 0.3081

    print("| layer | weights | to expand | corrected | to reduce | corrected | diagonal |")
    print("|---|---|---|---|---|---|---|")
    sums = [dict(rows=[], a=0, g=0, ra=0, rg=0, n=0) for _ in conv[:2]]
    for row in x:
        incoming, outgoing = [], []
        h = row[None]
        for layer in conv:
            incoming.append(h)
            outgoing.append(layer(h))
            h = torch.relu(outgoing[-1])
        f = rest(h)
        p = torch.softmax(f[0], 0).detach()
        # H = SSᵀ with S = diag(√p) − p√pᵀ.
        root = torch.diag(p.sqrt()) - torch.outer(p, p.sqrt())
        slopes = [torch.stack(parts) for parts in zip(*(torch.autograd.grad(f[0] @ root[:, s], outgoing, retain_graph=True) for s in range(10)))]
        for layer, own, z, delta in list(zip(conv, incoming, outgoing, slopes))[:2]:
            total = sums[conv.index(layer)]
            windows = nn.functional.unfold(own.detach(), 3)[0].T
            windows = torch.cat([windows, torch.ones(len(windows), 1)], 1)
            delta = delta.reshape(10, z.shape[1], -1)
            total["rows"].append((delta @ windows).reshape(10, -1))
            total["a"] = total["a"] + (windows.T @ windows).double()
            total["g"] = total["g"] + torch.einsum("sit,sjt->ij", delta, delta).double()
            mean, summed = windows.mean(0), delta.sum(2)
            total["ra"] = total["ra"] + torch.outer(mean, mean).double()
            total["rg"] = total["rg"] + (summed.T @ summed).double()
            total["n"] += len(windows)
    for k, total in enumerate(sums, 1):
        rows = torch.cat(total["rows"]).double()
        exact = rows.T @ rows
        error = lambda other: ((exact - other).norm() / exact.norm()).item()
        expand = torch.kron(total["g"].contiguous(), total["a"].contiguous()) / total["n"]
        reduce = torch.kron(total["rg"].contiguous(), total["ra"].contiguous()) / len(x)

        def corrected(a, g):
            basis = torch.kron(torch.linalg.eigh(g)[1].contiguous(), torch.linalg.eigh(a)[1].contiguous())
            return basis @ torch.diag(((rows @ basis) ** 2).sum(0)) @ basis.T

        values = [expand, corrected(total["a"], total["g"]), reduce, corrected(total["ra"], total["rg"])]
        values.append(torch.diag(exact.diag()))
        shape = conv[k - 1].weight.shape
        print(f"| conv{k}: {shape[1]} → {shape[0]} | {len(exact)} | " + " | ".join(f"{error(v):.3f}" for v in values) + " |")


main()
