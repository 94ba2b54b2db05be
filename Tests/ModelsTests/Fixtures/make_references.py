"""Makes references.json: PyTorch's activations and dense networks in double precision, and tanh from mpmath.

Made with torch 2.13.0+cpu and mpmath 1.3.0:

    python3 make_references.py > references.json
"""

import json

import mpmath
import torch

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
mpmath.mp.dps = 40

FUNCTIONS = {
    "identity": lambda z: z * 1,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "gelu": torch.nn.functional.gelu,  # approximate="none": the exact form
    "sigmoid": torch.sigmoid,
    # torch is linear above the threshold: 20 by default, where the exact value differs by 2e-9; at 38 by 3e-17
    "softplus": lambda z: torch.nn.functional.softplus(z, threshold=38),
}


def activations():
    points = torch.cat([torch.linspace(-6, 6, 49) + 0.01, torch.tensor([-800.0, -40.0, -1e-9, 1e-9, 40.0, 800.0])])
    cases = []
    for name, function in FUNCTIONS.items():
        z = points.clone().requires_grad_()
        value = function(z)
        (derivative,) = torch.autograd.grad(value.sum(), z)
        cases.append({"activation": name, "z": z.tolist(), "value": value.tolist(), "derivative": derivative.tolist()})
    return cases


def networks():
    """1 to 3 layers, several outputs: f(x; θ), the gradient of Σ g ⊙ f and every Jacobian row, θ as PyTorch orders it."""
    cases = []
    shapes = [[3, 2], [3, 5, 1], [2, 4, 3, 2]]
    for name, function in FUNCTIONS.items():
        for sizes in shapes:
            generator = torch.Generator().manual_seed(1 + len(cases))
            parameters = []
            for inputs, units in zip(sizes, sizes[1:]):
                parameters.append(torch.randn(units, inputs, generator=generator).requires_grad_())
                parameters.append(torch.randn(units, generator=generator).requires_grad_())
            x = torch.randn(3, sizes[0], generator=generator)
            weights = torch.randn(3, sizes[-1], generator=generator)
            h = x
            for k in range(0, len(parameters), 2):
                h = torch.nn.functional.linear(h, parameters[k], parameters[k + 1])
                # A network of one layer has the activation on its outputs, so that this is covered too.
                if k + 2 < len(parameters) or len(sizes) == 2:
                    h = function(h)

            def flat(output):
                parts = torch.autograd.grad(output, parameters, retain_graph=True)
                return torch.cat([part.reshape(-1) for part in parts]).tolist()

            cases.append({
                "activation": name,
                "sizes": sizes,
                "names": [f"layers.{k // 2}.{'bias' if k % 2 else 'weight'}" for k in range(len(parameters))],
                "shapes": [list(p.shape) for p in parameters],
                "theta": torch.cat([p.detach().reshape(-1) for p in parameters]).tolist(),
                "x": x.tolist(),
                "output": h.tolist(),
                "output_gradient": weights.tolist(),
                "gradient": flat((weights * h).sum()),
                "jacobian": [flat(h[i, c]) for i in range(h.shape[0]) for c in range(h.shape[1])],
            })
    return cases


def exact_tanh():
    """tanh correctly rounded, dense where the exponential identity is at its weakest (just above 0.25)."""
    points = [0.25 + k / 1024 for k in range(128)] + [0.375 + k * 0.05 for k in range(100)] + [10.0, 19.0, 19.99, 20.01]
    return {"z": points, "value": [float(mpmath.tanh(mpmath.mpf(z))) for z in points]}


print(json.dumps({
    "torch": torch.__version__,
    "mpmath": mpmath.__version__,
    "activations": activations(),
    "networks": networks(),
    "tanh": exact_tanh(),
}, allow_nan=False))
