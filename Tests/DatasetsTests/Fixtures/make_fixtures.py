"""Writes the fixtures of DatasetsTests beside this script, with numpy and xxhash.

Made with numpy 2.4.6 and xxhash 4.1.0 (XXH 0.8.4). Run: python make_fixtures.py
"""

import json
import struct
from pathlib import Path

import numpy as np
import xxhash

here = Path(__file__).parent

# The same small numbers as every type; row 2 of column 1 is -3, or 3 where there is no sign.
signed = np.array([[1, 2, 3], [4, -3, 6], [7, 8, 100], [0, 11, 12]])
for name in ["f8", "f4", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]:
    values = np.abs(signed) if name[0] == "u" else signed
    np.save(here / f"type_{name}.npy", values.astype("<" + name))
np.save(here / "type_big_endian.npy", signed.astype(">f8"))
np.save(here / "type_bool.npy", signed > 3)
np.save(here / "fortran.npy", np.asfortranarray(signed.astype("<f8")))
np.save(here / "one_dimension.npy", np.array([0.5, -1.25, 3.0]))
np.save(here / "three_dimensions.npy", np.zeros((2, 2, 2)))
np.save(here / "empty.npy", np.zeros((0, 3)))
np.save(here / "object.npy", np.array([1, "a"], dtype=object), allow_pickle=True)
np.save(here / "text.npy", np.array(["a", "b"]))
np.save(here / "records.npy", np.array([(1.0, 2)], dtype=[("a", "<f8"), ("b", "<i4")]))
np.save(here / "missing.npy", np.array([[1.0, 2.0], [np.nan, 4.0], [5.0, 6.0]]))
np.save(here / "infinite.npy", np.array([[1.0, 2.0], [3.0, np.inf]]))
np.save(here / "large_integer.npy", np.array([[1, 2], [3, 2**53 + 1]], dtype="<i8"))
for major in (1, 2, 3):
    with open(here / f"version_{major}.npy", "wb") as file:
        np.lib.format.write_array(file, signed.astype("<f8"), version=(major, 0))

# Normalisation: an ordinary column, a large offset, a constant one, tiny numbers, huge numbers.
random = np.random.default_rng(7)
columns = np.stack(
    [
        random.normal(3.0, 2.0, 50),
        1e9 + random.uniform(0, 1, 50),
        np.full(50, 0.1),
        random.normal(0, 1, 50) * 1e-200,
        random.normal(0, 1, 50) * 1e200,
    ],
    axis=1,
)
wide = columns.astype(np.longdouble)
(here / "normalisation.json").write_text(
    json.dumps(
        {
            "rows": 50,
            "values": columns.ravel().tolist(),
            "center": [float(x) for x in wide.mean(axis=0)],
            "scale": [float(x) if x > 1e-250 and i != 2 else 1.0 for i, x in enumerate(wide.std(axis=0))],
        }
    )
    + "\n"
)

# Row digests: the sum modulo 2^128 of XXH3-128 of the rows' little-endian doubles; -0 counts as +0.
rows = [[1.5, -2.0, 0.0], [3.25, 1e-3, 7.0], [1.5, -2.0, 0.0]]
total = sum(xxhash.xxh3_128_intdigest(struct.pack("<3d", *row)) for row in rows) % 2**128
one = xxhash.xxh3_128_intdigest(struct.pack("<3d", *rows[0]))
(here / "digest.json").write_text(json.dumps({"rows": rows, "total": f"{total:032x}", "first": f"{one:032x}"}) + "\n")
