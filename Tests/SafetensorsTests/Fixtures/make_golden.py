"""Makes the fixtures of GoldenTests with the reference library, and checks that it reads what our writer wrote.

Made with Python 3.11, safetensors 0.8.0, numpy 2.4.6:

    pip install safetensors numpy
    python make_golden.py          # writes reference_f64.safetensors and reference_f32.safetensors
    python make_golden.py --check  # reads written_by_bnn.safetensors, which GoldenTests compares with the writer
"""

import pathlib
import sys

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).parent
SUBNORMAL = 5e-324
LARGEST = 1.7976931348623157e308

WRITTEN_METADATA = {"format": "test", "note": 'quote " backslash \\ tab \t bell \x07', "ключ": "значение 🎲"}
WRITTEN_TENSORS = {
    "": np.array([0.5]),
    "Mean": np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
    "empty": np.zeros((0, 3)),
    "scalar": np.full((), -2.5),
    "special": np.array([-0.0, SUBNORMAL, LARGEST, np.inf, -np.inf, np.nan]),
    "μ/β": np.array([[[0.1]]]),
}


def make():
    save_file(
        {
            "mean": np.array([[1.0, -2.5, 0.1], [SUBNORMAL, LARGEST, -0.0]]),
            "log evidence": np.full((), -143.25),
            "none": np.zeros((2, 0)),
            "größe": np.array([np.inf, -np.inf]),
        },
        HERE / "reference_f64.safetensors",
        metadata={"note": 'a "quoted" line\nand another, ü'},
    )
    save_file(
        {
            "weights": np.array([1.0, -2.5, 0.1, 3.4028235e38], dtype=np.float32),
            "bias": np.full((1, 1), 1e-45, dtype=np.float32),
            "mixed": np.array([0.1]),
        },
        HERE / "reference_f32.safetensors",
        metadata={"framework": "numpy", "format": "test"},
    )


def check():
    with safe_open(HERE / "written_by_bnn.safetensors", framework="numpy") as file:
        assert file.metadata() == WRITTEN_METADATA, file.metadata()
        assert sorted(file.keys()) == sorted(WRITTEN_TENSORS), file.keys()
        for name, expected in WRITTEN_TENSORS.items():
            found = file.get_tensor(name)
            assert found.dtype == np.float64 and found.shape == expected.shape, (name, found)
            assert found.tobytes() == expected.tobytes(), (name, found)
    print(f"the reference reader agrees on {len(WRITTEN_TENSORS)} tensors")


if __name__ == "__main__":
    check() if "--check" in sys.argv else make()
