#!/usr/bin/env python3
"""The Kronecker table: what products lose on a trained network, and what a sum of products loses as one.

    python3 kronecker_table.py [--rows 2000]

The network of ../shared/data/pretrained/mnist_mlp_784_100_10_sigmoid.safetensors and the first MNIST test images. Relative
errors in the Frobenius norm, layer by layer, exact Gauss-Newton blocks by inner products (none is formed), double precision:
  product        A x G / n of all rows against the exact block
  list           the two batches' products, summed, against the exact block
  nearest        the nearest single product of that list, against the list
  added factors  (A1 + A2) x (G1 + G2) / (n1 + n2), against the list
  diagonal       every weight by itself, against the exact block
  corrected      exact second moments in the eigenvectors of the product of all rows (EKFAC), against the exact block
  its list       the same of the two batches, each in its own basis, against the exact block
  in one basis   that list in the eigenvectors of its partial traces, or of either batch, whichever loses least, against the list
Batches are random halves, or digits 0-4 and digits 5-9. Needs NumPy; not part of CI.
"""
import argparse, gzip, json, pathlib, sys

import numpy

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--rows", type=int, default=2000)
arguments = parser.parse_args()
data = pathlib.Path(__file__).resolve().parents[2].parent / "shared" / "data"
if not data.exists():
    sys.exit(f"skipped: {data} is not there")


def idx(name, header):
    with gzip.open(data / "images" / "mnist" / name) as file:
        return numpy.frombuffer(file.read()[header:], numpy.uint8)


def network():
    raw = (data / "pretrained" / "mnist_mlp_784_100_10_sigmoid.safetensors").read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:8 + size])
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            tensors[name] = numpy.frombuffer(raw[8 + size + begin:8 + size + end], numpy.float32).astype(float) \
                .reshape(entry["shape"])
    weights = sorted((t for t in tensors.values() if t.ndim == 2), key=lambda t: -t.size)
    biases = sorted((t for t in tensors.values() if t.ndim == 1), key=lambda t: -t.size)
    return [w if w.shape[0] == len(b) else w.T for w, b in zip(weights, biases)], biases


n = arguments.rows
labels = idx("t10k-labels-idx1-ubyte.gz", 8)[:n]
images = (idx("t10k-images-idx3-ubyte.gz", 16)[:784 * n].reshape(n, 784) / 255 - .1307) / .3081
(w1, w2), (b1, b2) = network()
hidden = 1 / (1 + numpy.exp(-(images @ w1.T + b1)))
logits = hidden @ w2.T + b2
p = numpy.exp(logits - logits.max(1, keepdims=True))
p /= p.sum(1, keepdims=True)
print(f"accuracy {numpy.mean(p.argmax(1) == labels):.4f}")
# diag(p) - p p' = sum over classes of p_c (e_c - p)(e_c - p)'.
roots = numpy.sqrt(p)[:, :, None] * (numpy.eye(10)[None] - p[:, None, :])
deltas = [numpy.einsum("isj,jh->ish", roots, w2) * (hidden * (1 - hidden))[:, None], roots]
inputs = [numpy.hstack([x, numpy.ones((n, 1))]) for x in (images, hidden)]


def pair(x, d):
    flat = d.reshape(-1, d.shape[2])
    return x.T @ x, flat.T @ flat / len(x)


def inner(left, right):
    """<sum A x G, sum A x G> of two lists of products."""
    return sum(numpy.vdot(a, c) * numpy.vdot(g, h) for a, g in left for c, h in right)


def distance(left, right, scale):
    return numpy.sqrt(max(0, inner(left, left) - 2 * inner(left, right) + inner(right, right)) / scale)


def nearest(products):
    a = numpy.array([x.ravel() for x, _ in products])
    g = numpy.array([x.ravel() for _, x in products])
    (qa, ra), (qg, rg) = numpy.linalg.qr(a.T), numpy.linalg.qr(g.T)
    u, s, v = numpy.linalg.svd(ra @ rg.T)
    return [(s[0] * (qa @ u[:, 0]).reshape(products[0][0].shape), (qg @ v[0]).reshape(products[0][1].shape))]


def corrected(x, d):
    """Eigenvectors of the factors as columns, and the second moments of the rows' coordinates."""
    a, g = pair(x, d)
    u, v = numpy.linalg.eigh(a)[1], numpy.linalg.eigh(g)[1]
    return u, v, ((x @ u) ** 2).T @ ((d @ v) ** 2).sum(1)


def diagonal_in(basis, terms):
    (u, v), total = basis[:2], 0
    for own, other, s in terms:
        total = total + ((u.T @ own) ** 2) @ s @ ((v.T @ other) ** 2).T
    return total


def in_one_basis(terms):
    square = sum(float((diagonal_in(t, terms) * t[2]).sum()) for t in terms)
    traces = [numpy.linalg.eigh(sum((t[i] * t[2].sum(1 - i)) @ t[i].T for t in terms))[1] for i in (0, 1)]
    kept = max(float((diagonal_in(b, terms) ** 2).sum()) for b in [traces, *terms])
    return numpy.sqrt(max(0, 1 - kept / square))


half = numpy.random.default_rng(0).permutation(n) < n // 2
for name, first in (("random halves", half), ("digits 0-4, 5-9", labels < 5)):
    for layer in range(2):
        x, d = inputs[layer], deltas[layer]
        # |H|^2 = sum over rows i, k of (x_i'x_k)^2 |D_i' D_k|^2, D the roots of a row.
        flat = d.reshape(-1, d.shape[2])
        small = sum(((flat @ d[:, s].T) ** 2).reshape(n, 10, n).sum(1) for s in range(10))
        exact = float(((x @ x.T) ** 2 * small).sum())

        def against_exact(products):
            cross = sum(float((numpy.einsum("ij,jk,ik->i", x, a, x) * numpy.einsum("isj,jk,isk->i", d, g, d)).sum())
                        for a, g in products)
            return numpy.sqrt(max(0, exact - 2 * cross + inner(products, products)) / exact)

        def moments_exact(terms):
            cross = sum(float((((x @ u) ** 2).T @ ((d @ v) ** 2).sum(1) * s).sum()) for u, v, s in terms)
            own = sum(float((diagonal_in(t, terms) * t[2]).sum()) for t in terms)
            return numpy.sqrt(max(0, exact - 2 * cross + own) / exact)

        every = numpy.sqrt(max(0, exact - float((((x ** 2).T @ (d ** 2).sum(1)) ** 2).sum())) / exact)
        terms = [corrected(x[s], d[s]) for s in (first, ~first)]
        both = [pair(x[s], d[s]) for s in (first, ~first)]
        one = nearest(both)
        scale = inner(both, both)
        print(f"{name:16} layer {layer + 1}: product {against_exact([pair(x, d)]):.3f}  list {against_exact(both):.3f}"
              f"  nearest {distance(one, both, scale):.4f}  added factors {distance([pair(x, d)], both, scale):.4f}"
              f"  diagonal {every:.3f}  corrected {moments_exact([corrected(x, d)]):.3f}  its list {moments_exact(terms):.3f}"
              f"  in one basis {in_one_basis(terms):.4f}")
