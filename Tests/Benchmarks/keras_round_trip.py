"""Networks trained in Keras, imported with `--layout keras`, updated and brought back by `export --to keras`.

    PYTHON=…  (with keras 3, torch and numpy)
    $PYTHON Tests/Benchmarks/keras_round_trip.py .build/release/bnn-update

A dense network, and one of images with two channels (a convolution, batch normalisation, pooling, another convolution, a flattening and two
dense layers): Keras has its axes and the order of flattened pixels otherwise than PyTorch, whose order of pixels the columns of the data have.
Prints the largest differences of predictions, there and back.
"""
import csv
import os
import subprocess
import sys
import tempfile

os.environ["KERAS_BACKEND"] = "torch"

import json

import keras
import numpy as np
from keras import layers

COMMAND = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else ".build/release/bnn-update")
keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
folder = tempfile.TemporaryDirectory()


def write(name, x, y):
    with open(f"{folder.name}/{name}.csv", "w", newline="") as file:
        out = csv.writer(file)
        out.writerow([*(f"x{k}" for k in range(x.shape[1])), "y"])
        out.writerows([*map(repr, map(float, row)), repr(float(value))] for row, value in zip(x, y))


def run(*words):
    done = subprocess.run([COMMAND, *words], capture_output=True, text=True, cwd=folder.name)
    if done.returncode:
        sys.exit(f"{' '.join(words)}: {done.stderr}")
    return done.stdout


def predictions(posterior):
    return np.array([float(line.split(",")[0]) for line in run("predict", posterior, "test.csv").splitlines()[1:]])


def trained(model, x, y):
    model.compile(optimizer=keras.optimizers.Adam(1e-2), loss="mse")
    model.fit(x, y, epochs=20, batch_size=32, verbose=0)
    return model


def names(model):
    """Tensors as N.kernel, N.bias, …, N the layer's place."""
    return {f"{n}.{own.path.split('/')[-1]}": own.numpy() for n, layer in enumerate(model.layers) for own in layer.weights}


def largest(a, b):
    return f"{np.abs(a - b).max():.2g} of {np.abs(b).max():.2g}"


def compare(words, model, shaped, plain, test, flags):
    """There, updated, and back into a model of the same layers (without batch normalisation, which is folded in)."""
    np.savez(f"{folder.name}/weights.npz", **names(model))
    run("import", "weights.npz", "--layout", "keras", *flags, "--target", "y", "--data", "d1.csv", "--structure", "kronecker",
        "--prior-precision", "1", "--training-mse", "0.01", "-o", "p1.safetensors", "--force")
    print(f"{words}, imported: predictions differ by at most {largest(predictions('p1.safetensors'), model.predict(shaped(test), verbose=0)[:, 0])}")
    run("update", "p1.safetensors", "d2.csv", "-o", "p2.safetensors", "--force")
    for posterior in ["p1", "p2"]:
        run("export", f"{posterior}.safetensors", "--to", "keras", "-o", "back.npz", "--force")
        plain.set_weights(list(np.load(f"{folder.name}/back.npz").values()))
        own = plain.predict(shaped(test), verbose=0)[:, 0]
        print(f"{words}, {posterior} back in Keras: predictions differ by at most {largest(own, predictions(f'{posterior}.safetensors'))}")


def tables(n, columns, f):
    parts = [rng.uniform(-1, 1, (n, columns)) for _ in range(3)]
    for name, x in zip(["d1", "d2", "test"], parts):
        write(name, x, f(x) + 0.1 * rng.standard_normal(n))
    return parts[0], f(parts[0]), parts[2]


x, y, test = tables(300, 3, lambda x: np.sin(3 * x[:, 0]) + x[:, 1] * x[:, 2])
dense = lambda: keras.Sequential([keras.Input((3,)), layers.Dense(20, "tanh"), layers.Dense(7, "tanh"), layers.Dense(1)])
same = lambda x: x.astype("float32")
compare("dense", trained(dense(), same(x), y), same, dense(), test, ["--activation", "tanh", "--normalize", "none"])

# Channels × height × width in the table, height × width × channels in Keras.
shape = (2, 8, 6)
x, y, test = tables(300, 96, lambda x: x[:, :48].mean(1) * 8 + np.tanh(x[:, 50] - x[:, 5]))
turned = lambda x: x.reshape(-1, *shape).transpose(0, 2, 3, 1).astype("float32")


def images(norm):
    own = [keras.Input((8, 6, 2)), layers.Conv2D(5, 3, padding="same", activation=None if norm else "relu")]
    own += [layers.BatchNormalization(), layers.Activation("relu")] if norm else []
    return keras.Sequential(own + [
        layers.MaxPooling2D(2), layers.Conv2D(4, 2, activation="relu"), layers.Flatten(), layers.Dense(9, "relu"), layers.Dense(1)])


model = trained(images(True), turned(x), y)
conv = lambda name, channels, kernel, padding, activation: {
    "type": "conv2d", "name": name, "channels": channels, "kernel": kernel, "padding": padding, "activation": activation}
with open(f"{folder.name}/net.json", "w") as file:
    json.dump({"input": {"shape": shape}, "layers": [
        conv("0", 5, 3, 1, "identity"), {"type": "batch-norm", "name": "1", "epsilon": 1e-3, "activation": "relu"},
        {"type": "max-pool", "kernel": 2}, conv("4", 4, 2, 0, "relu"), {"type": "flatten"},
        {"type": "dense", "name": "6", "units": 9, "activation": "relu"}, {"type": "dense", "name": "7", "units": 1}]}, file)
compare("images", model, turned, images(False), test, ["--network", "net.json"])
