"""Writes the fixtures of DatasetsTests beside this script, with numpy and xxhash.

Made with numpy 2.4.6 and xxhash 4.1.0 (XXH 0.8.4). Run: python make_fixtures.py
"""

import io
import json
import struct
import zipfile
import zlib
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

# .npz: what numpy.savez and savez_compressed write, a directory with 64-bit sizes, and a bomb.
columns = {
    "a": np.array([1.5, -2.0, 3.25]),
    "X": np.asfortranarray(np.array([[1, 2], [3, 4], [5, 6]], dtype="<f4")),
    "code": np.array([3, 1, 3], dtype=">i2"),
    "name": np.array(["Köln", "a, b", ""]),
    "raw": np.array([b"x", b"yz", b"x"]),
}
np.savez(here / "table.npz", **columns)
np.savez_compressed(here / "table_compressed.npz", **columns)
np.savez(here / "odd.npz", a=columns["a"], meta=np.array({"k": 1}, dtype=object), cube=np.zeros((3, 1, 1)), short=np.ones(2))


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def zip64(path, members):
    """An archive whose directory keeps every size and place in 64-bit fields, as archives beyond 4 GiB do."""
    body, directory = b"", b""
    for name, data in members.items():
        fixed = struct.pack("<HHHHHI", 45, 0, 0, 0, 0x21, zlib.crc32(data))
        extra = struct.pack("<HHQQQ", 1, 24, len(data), len(data), len(body))
        directory += (
            b"PK\x01\x02" + struct.pack("<H", 45) + fixed + struct.pack("<IIHHHHHII", *[0xFFFFFFFF] * 2, len(name), len(extra), 0, 0, 0, 0, 0xFFFFFFFF)
            + name.encode() + extra
        )
        local = struct.pack("<HHQQ", 1, 16, len(data), len(data))
        body += b"PK\x03\x04" + fixed + struct.pack("<IIHH", *[0xFFFFFFFF] * 2, len(name), len(local)) + name.encode() + local + data
    end64 = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, len(members), len(members), len(directory), len(body))
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, len(body) + len(directory), 1)
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    path.write_bytes(body + directory + end64 + locator + end)


zip64(here / "zip64.npz", {f"{name}.npy": npy(array) for name, array in columns.items()})
with zipfile.ZipFile(here / "bomb.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
    archive.writestr("a.npy", npy(columns["a"]) + bytes(30_000_000))
