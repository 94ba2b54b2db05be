"""Makes the .onnx files here and onnx.json: what ONNX Runtime says of them.

Made with onnx 1.23.2, onnxruntime 1.32.0 and torch 2.13.0+cpu (versions are written into onnx.json):

    python3 make_onnx.py
"""

import json
import pathlib

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

here = pathlib.Path(__file__).resolve().parent
torch.manual_seed(1)
rng = np.random.default_rng(2)


def exported(name, module, shape):
    module.eval()
    torch.onnx.export(module, (torch.randn(1, *shape),), str(here / f"{name}.onnx"), dynamo=False, dynamic_axes={"x": {0: "n"}},
                      input_names=["x"], output_names=["y"], opset_version=17)


def constant(name, array, kind=np.float32):
    return numpy_helper.from_array(np.asarray(array, kind), name)


def built(name, nodes, constants, shape, outputs, opset=17):
    graph = helper.make_graph(
        nodes, name, [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", *outputs])], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, here / f"{name}.onnx")


class Moved(nn.Module):
    """Running statistics and scales that are not 0 and 1."""

    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)
        for own in self.layers:
            if isinstance(own, (nn.BatchNorm2d, nn.BatchNorm1d)):
                for tensor in (own.weight.data, own.running_var):
                    tensor.uniform_(0.5, 2)
                for tensor in (own.bias.data, own.running_mean):
                    tensor.normal_()

    def forward(self, x):
        return self.layers(x)


exported("dense", nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4), nn.Softplus(), nn.Linear(4, 2)), [3])
exported(
    "images",
    Moved(nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 4, 2, stride=2), nn.Sigmoid(), nn.AvgPool2d(2, stride=1),
          nn.Flatten(), nn.Dropout(), nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3), nn.LogSoftmax(1)), [2, 8, 8])
exported("global", nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 1), nn.Sigmoid()), [1, 6, 6])

w1, b1, w2, b2 = rng.normal(size=(3, 4)), rng.normal(size=4), rng.normal(size=(4, 2)), rng.normal(size=(1, 2))
built(
    "matmul",
    [
        helper.make_node("Sub", ["x", "center"], ["s"]), helper.make_node("Div", ["s", "scale"], ["z"], "scaled"),
        helper.make_node("MatMul", ["z", "w1"], ["a"]), helper.make_node("Add", ["b1", "a"], ["a1"]), helper.make_node("Gelu", ["a1"], ["h"]),
        helper.make_node("Identity", ["h"], ["h1"]), helper.make_node("MatMul", ["h1", "w2"], ["o"]), helper.make_node("Add", ["o", "b2"], ["o1"]),
        helper.make_node("Constant", [], ["c"], value=constant("", [10.0, 0.5])), helper.make_node("Mul", ["o1", "c"], ["o2"]),
        helper.make_node("Add", ["o2", "mean"], ["y"]),
    ],
    [constant("center", [1, 2, 3]), constant("scale", [2]), constant("w1", w1), constant("b1", b1), constant("w2", w2), constant("b2", b2), constant("mean", 7.0)], [3], [2], opset=20)
built(
    "gemm",
    [
        helper.make_node("Gemm", ["x", "w", "b"], ["a"], "first", alpha=0.5, beta=2.0), helper.make_node("Relu", ["a"], ["h"]),
        helper.make_node("Gemm", ["h", "v"], ["y"], "second", transB=1),
    ], [constant("w", w1), constant("b", b1), constant("v", w2.T)], [3], [2])
# Half precision, numbers as a list instead of bytes, and an image that is made of a vector.
half = helper.make_tensor("k", TensorProto.FLOAT, [2, 1, 2, 2], rng.normal(size=8).astype(np.float32))
built(
    "reshaped",
    [
        helper.make_node("Mul", ["x", "pixel"], ["p"]), helper.make_node("Reshape", ["p", "image"], ["i"]),
        helper.make_node("Conv", ["i", "k"], ["c"], kernel_shape=[2, 2]), helper.make_node("Add", ["c", "t"], ["t1"]), helper.make_node("Relu", ["t1"], ["r"]),
        helper.make_node("Reshape", ["r", "flat"], ["f"]), helper.make_node("Cast", ["wh"], ["w"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["f", "w"], ["y"]),
    ],
    [constant("pixel", 1 / 255), constant("image", [-1, 1, 3, 4], np.int64), half, constant("t", rng.normal(size=(1, 2, 1, 1))),
     constant("flat", [0, -1], np.int64), constant("wh", rng.normal(size=(12, 2)), np.float16)], [12], [2])

found = {"versions": {"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__, "torch": torch.__version__}, "cases": []}
for name, shape in [("dense", [3]), ("images", [2, 8, 8]), ("global", [1, 6, 6]), ("matmul", [3]), ("gemm", [3]), ("reshaped", [12])]:
    x = rng.normal(size=(4, *shape)).astype(np.float32)
    y = onnxruntime.InferenceSession(str(here / f"{name}.onnx")).run(None, {"x": x})[0]
    found["cases"].append({"name": name, "inputs": x.reshape(4, -1).tolist(), "outputs": y.reshape(4, -1).tolist()})
(here / "onnx.json").write_text(json.dumps(found))
