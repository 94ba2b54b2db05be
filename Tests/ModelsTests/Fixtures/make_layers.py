"""Makes layers.json: PyTorch's layers of images and of whole rows in double precision, in small networks: outputs, the gradient of
Σ g ⊙ f and every row of the Jacobian.

Made with torch 2.13.0+cpu:

    python3 make_layers.py > layers.json
"""

import json

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU, "sigmoid": nn.Sigmoid}

CONV = {"type": "conv2d", "channels": 3, "kernel": 3, "stride": 1, "padding": 0, "activation": "relu"}
DENSE = {"type": "dense", "units": 2, "activation": "identity"}
FLAT = {"type": "flatten"}


def conv(**changes):
    return {**CONV, **changes}


CASES = [
    ("convolution", [1, 4, 5], [conv(channels=2), FLAT, DENSE]),
    ("stride and padding", [2, 6, 5], [conv(stride=2, padding=1, activation="tanh"), conv(channels=2, kernel=2), FLAT, DENSE]),
    ("max-pool", [1, 7, 6], [conv(padding=1), {"type": "max-pool", "kernel": 2, "stride": 2, "padding": 0}, FLAT, DENSE]),
    ("padded max-pool", [2, 5, 5], [{"type": "max-pool", "kernel": 3, "stride": 2, "padding": 1}, conv(kernel=2, channels=2), FLAT, DENSE]),
    ("average-pool", [2, 6, 6], [{"type": "average-pool", "kernel": 3, "stride": 2, "padding": 1}, conv(kernel=2, activation="gelu"), {"type": "average-pool", "kernel": 2, "stride": 1, "padding": 0}, FLAT, DENSE]),
    ("layer norm of images", [2, 4, 3], [conv(kernel=2, channels=2, activation="identity"), {"type": "layer-norm", "epsilon": 1e-5}, {"type": "activation", "activation": "relu"}, FLAT, DENSE]),
    ("layer norm of vectors", [1, 2, 3], [FLAT, {"type": "layer-norm", "epsilon": 0.01}, {"type": "dense", "units": 4, "activation": "sigmoid"}, {"type": "layer-norm", "epsilon": 1e-5}, DENSE]),
    ("residual", [1, 4, 4], [conv(channels=2, padding=1), conv(channels=2, padding=1, activation="tanh"), conv(channels=2, padding=1, activation="identity"), {"type": "residual", "layers": 2}, {"type": "activation", "activation": "relu"}, FLAT, DENSE]),
    ("residual from the input", [1, 3, 4], [conv(channels=1, padding=1, activation="tanh"), {"type": "residual", "layers": 1}, FLAT, {"type": "dense", "units": 12, "activation": "tanh"}, {"type": "residual", "layers": 1}, DENSE]),
]


def module(layer, shape):
    """PyTorch's layer, and the activation behind it."""
    kind = layer["type"]
    act = layer.get("activation", "identity")
    after = [] if act == "identity" else [ACTIVATIONS[act]()]
    if kind == "dense":
        return nn.Linear(shape[0], layer["units"]), after
    if kind == "conv2d":
        return nn.Conv2d(shape[0], layer["channels"], layer["kernel"], layer["stride"], layer["padding"]), after
    if kind == "max-pool":
        return nn.MaxPool2d(layer["kernel"], layer["stride"], layer["padding"]), []
    if kind == "average-pool":
        return nn.AvgPool2d(layer["kernel"], layer["stride"], layer["padding"]), []
    if kind == "flatten":
        return nn.Flatten(), []
    if kind == "layer-norm":
        return nn.LayerNorm(list(shape), eps=layer["epsilon"]), []
    if kind == "activation":
        return nn.Identity(), after
    return None, []


cases = []
for name, shape, layers in CASES:
    torch.manual_seed(1 + len(cases))
    x = torch.randn(2, *shape)
    # One forward pass makes the layers, whose sizes it tells.
    modules = []
    h = x
    for layer in layers:
        own, after = module(layer, h.shape[1:])
        modules.append((layer, own, after))
        if own is not None:
            h = nn.Sequential(own, *after)(h)

    def forward(x):
        incoming = [x]
        for layer, own, after in modules:
            if own is None:
                incoming.append(incoming[-1] + incoming[-1 - layer["layers"]])
            else:
                incoming.append(nn.Sequential(own, *after)(incoming[-1]))
        return incoming[-1]

    parameters, tensors = [], []
    for index, (_, own, _) in enumerate(modules):
        if own is not None:
            for suffix, p in own.named_parameters():
                p.data = torch.randn_like(p) * 0.7
                parameters.append(p)
                tensors.append([f"layers.{index}.{suffix}", list(p.shape)])
    output = forward(x)
    weights = torch.randn_like(output)

    def flat(value):
        parts = torch.autograd.grad(value, parameters, retain_graph=True)
        return torch.cat([p.reshape(-1) for p in parts]).tolist()

    cases.append({
        "name": name,
        "spec": {"inputs": x[0].numel(), "shape": shape, "layers": layers},
        "names": [t[0] for t in tensors],
        "shapes": [t[1] for t in tensors],
        "theta": torch.cat([p.detach().reshape(-1) for p in parameters]).tolist(),
        "x": x.reshape(2, -1).tolist(),
        "output": output.tolist(),
        "output_gradient": weights.tolist(),
        "gradient": flat((weights * output).sum()),
        "jacobian": [flat(value) for value in output.reshape(-1)],
    })
print(json.dumps({"networks": cases}))
