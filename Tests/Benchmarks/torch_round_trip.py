"""A network trained in PyTorch, imported, updated and brought back; its curvature beside laplace-torch's.

    PYTHON=…  (with torch, safetensors and laplace-torch)
    $PYTHON Tests/Benchmarks/torch_round_trip.py .build/release/bnn-update

Prints the largest differences of predictions and of the curvature, and the test error before and after the update; then those of a tangent's
module, and the same update from the optimiser's own state.
"""
import csv
import importlib.util
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
from safetensors.torch import load_file, save_file

COMMAND = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else ".build/release/bnn-update")
torch.manual_seed(0)
rng = np.random.default_rng(0)


def rows(n, low, high):
    x = rng.uniform(low, high, (n, 2))
    return x, np.sin(3 * x[:, 0]) + x[:, 1] ** 2 + 0.1 * rng.standard_normal(n)


def write(path, x, y):
    with open(path, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["a", "b", "y"])
        out.writerows([*map(repr, map(float, row)), repr(float(value))] for row, value in zip(x, y))


def run(*words):
    return subprocess.run([COMMAND, *words], check=True, capture_output=True, text=True, cwd=folder.name).stdout


def predictions(posterior):
    lines = run("predict", posterior, "test.csv").splitlines()[1:]
    return np.array([float(line.split(",")[0]) for line in lines])


def network():
    return torch.nn.Sequential(torch.nn.Linear(2, 20), torch.nn.Tanh(), torch.nn.Linear(20, 1))


folder = tempfile.TemporaryDirectory()
x1, y1 = rows(400, -1, 0.5)
x2, y2 = rows(200, 0, 1)
xt, yt = rows(500, -1, 1)
for name, x, y in [("d1", x1, y1), ("d2", x2, y2), ("test", xt, yt)]:
    write(f"{folder.name}/{name}.csv", x, y)

model = network()
optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
inputs, targets = torch.tensor(x1, dtype=torch.float32), torch.tensor(y1[:, None], dtype=torch.float32)
for _ in range(3000):
    optimiser.zero_grad()
    torch.nn.functional.mse_loss(model(inputs), targets).backward()
    optimiser.step()
mse = torch.nn.functional.mse_loss(model(inputs), targets).item()
save_file(model.state_dict(), f"{folder.name}/weights.safetensors")

common = ["--activation", "tanh", "--normalize", "none", "--target", "y", "--training-mse", repr(mse), "--structure", "full"]
run("import", "weights.safetensors", *common, "--prior-precision", "1", "--data", "d1.csv", "-o", "p1.safetensors")
test = torch.tensor(xt, dtype=torch.float32)
theirs = model(test).detach().numpy()[:, 0]
print(f"imported: predictions differ by at most {np.abs(predictions('p1.safetensors') - theirs).max():.2g}")

try:
    from laplace import Laplace

    rival = Laplace(model, "regression", subset_of_weights="all", hessian_structure="full", sigma_noise=mse**0.5)
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(inputs, targets), batch_size=100)
    rival.fit(data)
    # laplace-torch keeps the curvature at unit noise.
    h = (rival.H / mse).detach().numpy().astype(float)
    own = load_file(f"{folder.name}/p1.safetensors")
    packed = next(t.numpy() for n, t in own.items() if n.endswith("curvature.H"))
    upper = h[np.triu_indices(len(h))]
    print(f"curvature: relative difference from laplace-torch {np.abs(packed - upper).max() / np.abs(upper).max():.2g}")
except (ImportError, RuntimeError) as error:
    print(f"curvature: laplace-torch cannot be used here: {error}")

before = np.sqrt(np.mean((predictions("p1.safetensors") - yt) ** 2))
run("update", "p1.safetensors", "d2.csv", "-o", "p2.safetensors")
after = np.sqrt(np.mean((predictions("p2.safetensors") - yt) ** 2))
print(f"test rmse on both domains: {before:.4f} before, {after:.4f} after the update with D2")
run("import", "weights.safetensors", *common, "--prior-precision", "1", "--rows", "400", "--inputs", "d2.csv", "-o", "r1.safetensors")
run("update", "r1.safetensors", "d2.csv", "-o", "r2.safetensors")
print(f"with D1's curvature reconstructed at D2's inputs: {np.sqrt(np.mean((predictions('r2.safetensors') - yt) ** 2)):.4f}")

run("export", "p2.safetensors", "--to", "torch", "-o", "back.safetensors")
back = network()
back.load_state_dict(load_file(f"{folder.name}/back.safetensors"), strict=True)
single = np.abs(back(test).detach().numpy()[:, 0] - predictions("p2.safetensors")).max()
back = network().double()
back.load_state_dict(load_file(f"{folder.name}/back.safetensors"), strict=True)
double = np.abs(back(torch.tensor(xt)).detach().numpy()[:, 0] - predictions("p2.safetensors")).max()
print(f"back in PyTorch: predictions differ by at most {single:.2g} (float32), {double:.2g} (float64)")

run("fit", "d1.csv", "--target", "y", "--hidden", "20", "-o", "t1.safetensors")
run("update", "t1.safetensors", "d2.csv", "-o", "t2.safetensors")
run("export", "t2.safetensors", "-o", "tangent.safetensors")
spec = importlib.util.spec_from_file_location("tangent", f"{folder.name}/tangent.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
single, double = [
    np.abs(module.load(dtype=own.dtype)(own).detach().numpy()[:, 0] - predictions("t2.safetensors")).max() for own in (test, torch.tensor(xt))
]
print(f"a tangent in PyTorch: predictions differ by at most {single:.2g} (float32), {double:.2g} (float64)")

state = optimiser.state_dict()["state"]
save_file(
    {f"state.{n}.{key}": value for n, own in state.items() for key, value in own.items()}, f"{folder.name}/adam.safetensors")
run("import", "weights.safetensors", "--activation", "tanh", "--normalize", "none", "--target", "y", "--features", "a,b", "--rows", "400",
    "--training-mse", repr(mse), "--second-moments", "adam.safetensors", "--batch-size", "400", "--loss", "mse", "-o", "s1.safetensors")
print("the state of the optimiser is read")
