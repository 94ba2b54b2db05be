"""Makes conv_curvature.json: curvatures of a small convolutional classifier in double precision: the generalised Gauss–Newton matrix from
explicit Jacobians, and its Kronecker products to expand and to reduce from the windows and derivatives of every layer, compared with
curvlinops' KFAC.

    python3 -m venv V && V/bin/pip install torch==2.13.0 "curvlinops-for-pytorch==3.0.1" && V/bin/python conv_curvature.py > conv_curvature.json

Says on stderr how well the two sources of the products agree, and ends with an error if they do not.
"""

import json
import sys
import warnings

import torch
from curvlinops import KFACLinearOperator
from curvlinops.kfac import FisherType, KFACType
from torch import nn
from torch.func import functional_call, jacrev

warnings.filterwarnings("ignore")
torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
torch.manual_seed(3)

ROWS = 6
SPEC = {
    "inputs": 40,
    "shape": [2, 4, 5],
    "layers": [
        {"type": "conv2d", "channels": 2, "kernel": 3, "stride": 1, "padding": 1, "activation": "tanh"},
        {"type": "average-pool", "kernel": 2, "stride": 2, "padding": 0},
        {"type": "conv2d", "channels": 2, "kernel": 2, "stride": 1, "padding": 0, "activation": "tanh"},
        {"type": "flatten"},
        {"type": "dense", "units": 3, "activation": "identity"},
    ],
}
network = nn.Sequential(
    nn.Conv2d(2, 2, 3, padding=1), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(2, 2, 2), nn.Tanh(), nn.Flatten(), nn.Linear(2, 3))
layers = [network[0], network[3], network[6]]
with torch.no_grad():
    for p in network.parameters():
        p.copy_(torch.randn_like(p) * 0.6)
x = torch.randn(ROWS, 2, 4, 5)
y = torch.tensor([0, 1, 2, 0, 1, 2])
names = [n for n, _ in network.named_parameters()]


def flat(parts):
    return torch.cat([p.reshape(-1) for p in parts])


def outputs(parameters, row):
    return functional_call(network, parameters, row[None])[0]


# --- The whole matrix, from rows of the Jacobian ---

parameters = {n: p.detach() for n, p in network.named_parameters()}
count = flat(parameters.values()).numel()
ggn = torch.zeros(count, count)
curvatures = []
for row in x:
    own = jacrev(outputs)(parameters, row)
    jacobian = torch.cat([own[n].reshape(3, -1) for n in names], 1)
    p = torch.softmax(outputs(parameters, row), 0)
    curvatures.append(torch.diag(p) - torch.outer(p, p))
    ggn += jacobian.T @ curvatures[-1] @ jacobian

# --- Kronecker products, from every layer's windows and derivatives ---

kept = {}


def keep(layer, inputs, output):
    kept[layer] = (inputs[0].detach(), output)


for layer in layers:
    layer.register_forward_hook(keep)


def factors(layer, i):
    """Windows T × K and derivatives T × outputs × 3 of one row."""
    out = network(x[i : i + 1])
    inputs, z = kept[layer]
    if isinstance(layer, nn.Conv2d):
        windows = nn.functional.unfold(inputs, layer.kernel_size, padding=layer.padding)[0].T
    else:
        windows = inputs
    derivatives = torch.stack([torch.autograd.grad(out[0, c], z, retain_graph=True)[0] for c in range(3)], -1)
    derivatives = derivatives[0].reshape(z.shape[1], -1, 3).transpose(0, 1)
    return torch.cat([windows, torch.ones(len(windows), 1)], 1), derivatives


def product(layer, reduces):
    a, g, rows = 0, 0, 0
    for i in range(ROWS):
        windows, derivatives = factors(layer, i)
        if reduces:
            windows, derivatives = windows.mean(0, keepdim=True), derivatives.sum(0, keepdim=True)
        a = a + windows.T @ windows
        g = g + torch.einsum("tic,cd,tjd->ij", derivatives, curvatures[i], derivatives)
        rows += len(windows)
    return torch.kron((g / rows).contiguous(), a.contiguous())


def in_order(layer, matrix):
    """From the weights of every output with its bias behind them to all weights, then all biases."""
    o = layer.bias.numel()
    n = layer.weight.numel() // o
    order = [j * (n + 1) + k for j in range(o) for k in range(n)] + [j * (n + 1) + n for j in range(o)]
    return matrix[order][:, order]


def block(layer, matrix):
    start = 0
    for own in layers:
        size = own.weight.numel() + own.bias.numel()
        if own is layer:
            return matrix[start : start + size, start : start + size]
        start += size


result = {}
for reduces, kind in [(False, KFACType.EXPAND), (True, KFACType.REDUCE)]:
    blocks = [in_order(layer, product(layer, reduces)) for layer in layers]
    theirs = KFACLinearOperator(
        network, nn.CrossEntropyLoss(reduction="sum"), [p for p in network.parameters()], [(x, y)],
        fisher_type=FisherType.TYPE2, kfac_approx=kind, separate_weight_and_bias=False, check_deterministic=False)
    dense = torch.as_tensor(theirs @ torch.eye(count)).detach()
    error = max(
        ((block(layer, dense) - own).abs().max() / own.abs().max()).item() for layer, own in zip(layers, blocks))
    print(f"{kind}: {error:.1e}", file=sys.stderr)
    if error > 1e-10:
        sys.exit("the two sources do not agree")
    result["reduce" if reduces else "expand"] = [b.tolist() for b in blocks]

print(json.dumps({
    "spec": SPEC,
    "theta": flat(parameters.values()).tolist(),
    "x": x.reshape(ROWS, -1).tolist(),
    "y": y.tolist(),
    "outputs": network(x).detach().tolist(),
    "ggn": ggn.tolist(),
    **result,
}))
