"""Predictions of a tangent posterior averaged over prior precisions, beside those at the best one: reads a posterior file (one
member, one hidden layer of tanh units, one target) and does the sums in NumPy, by formulas of its own.

With R = U S V', z~ = U'(z - R w0), w0 = -theta1: mean w0 + V S z~/(S^2 + k), phi' Lambda^-1 phi = sum (V'phi)^2/(S^2 + k),
b = b0 + (rho^2 + sum k z~^2/(S^2 + k))/2. Weights: exp of the log evidence over a lattice of log k, 32 points a decade, uniform
prior on log k. O(P) a row and point once V'phi is known.
"""
import json, math, struct

import numpy
import scipy.special
import scipy.stats


def load(path):
    raw = open(path, "rb").read()
    size = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:8 + size])
    manifest = json.loads(header.pop("__metadata__")["manifest"])
    data = raw[8 + size:]
    return manifest, {
        name: numpy.frombuffer(data[entry["data_offsets"][0]:entry["data_offsets"][1]], "<f8").reshape(entry["shape"])
        for name, entry in header.items()}


class Tangent:
    def __init__(self, path):
        manifest, tensors = load(path)
        model, self.normalisation = manifest["model"], manifest["normalisation"]
        response = manifest["members"][0]["responses"][0]
        self.features, self.target = model["schema"]["features"], model["schema"]["targets"][0]
        self.layers = [tensors[f"layers.{i}.{part}"] for i in (0, 1) for part in ("weight", "bias")]
        theta = numpy.concatenate([part.ravel() for part in self.layers])
        p, n = len(theta), manifest["members"][0]["observations"]
        kept = min(n, p + 1)
        array = numpy.zeros((kept, p + 1))
        array[numpy.triu_indices(kept, 0, p + 1)] = tensors["statistics"]
        r, z = array[:p, :p], array[:p, p]
        rho2 = array[p, p] ** 2 if kept > p else 0.0
        u, s, vt = numpy.linalg.svd(r, full_matrices=True)
        squares = numpy.zeros(p)
        squares[:len(s)] = s ** 2
        projected = numpy.zeros(p)
        projected[:len(s)] = u.T @ (z + r @ theta)
        self.vt, self.squares, self.theta = vt, squares, theta
        self.scaled = numpy.concatenate([s, numpy.zeros(p - len(s))]) * projected
        a0, b0 = response["prior_shape"], response["prior_rate"]
        self.a = a0 + n / 2
        self.b = lambda k: b0 + 0.5 * (rho2 + numpy.sum(k * projected ** 2 / (squares + k)))
        self.evidence = lambda k: 0.5 * numpy.sum(numpy.log(k / (squares + k))) - self.a * math.log(self.b(k))
        self.best = response["prior_ratio"]

    def lattice(self):
        """kappas and weights that matter."""
        points = 10 ** (numpy.arange(-12 * 32, 12 * 32 + 1) / 32)
        logs = numpy.array([self.evidence(k) for k in points])
        weights = numpy.exp(logs - logs.max())
        keep = weights > 1e-8
        return points[keep], weights[keep] / weights[keep].sum()

    def design(self, rows):
        """f, J V of rows as dictionaries, and the targets, all normalised."""
        own = self.normalisation
        x = (numpy.array([[float(row[c]) for c in self.features] for row in rows]) - own["featureCenter"]) / own["featureScale"]
        y = (numpy.array([float(row[self.target]) for row in rows]) - own["targetCenter"][0]) / own["targetScale"][0]
        w1, b1, w2, b2 = self.layers
        h = numpy.tanh(x @ w1.T + b1)
        slope = (1 - h ** 2) * w2[0]
        first = (slope[:, :, None] * x[:, None, :]).reshape(len(x), -1)
        jacobian = numpy.concatenate([first, slope, h, numpy.ones((len(x), 1))], axis=1)
        f = h @ w2[0] + b2[0]
        return f - jacobian @ self.theta, jacobian @ self.vt.T, y

    def at(self, k, base, phi, y):
        """CDF and log density of y at one kappa."""
        scale2 = self.b(k) / self.a
        mean = base + phi @ (self.scaled / (self.squares + k))
        scale = numpy.sqrt(scale2 * (1 + phi ** 2 @ (1 / (self.squares + k))))
        return scipy.stats.t.cdf(y, 2 * self.a, mean, scale), scipy.stats.t.logpdf(y, 2 * self.a, mean, scale)


def compare(path, rows):
    """PIT and log density of every row, at the best kappa and averaged; the target's unit cancels in the difference."""
    tangent = Tangent(path)
    design = tangent.design(rows)
    best = tangent.at(tangent.best, *design)
    points, weights = tangent.lattice()
    each = [tangent.at(k, *design) for k in points]
    pit = sum(w * own[0] for w, own in zip(weights, each))
    density = scipy.special.logsumexp([math.log(w) + own[1] for w, own in zip(weights, each)], axis=0)
    spread = math.sqrt(numpy.average((numpy.log10(points) - numpy.average(numpy.log10(points), weights=weights)) ** 2, weights=weights))
    return {"best": best, "average": (pit, density), "spread": spread}


def pool(parts):
    """Coverage of averaged predictions and their mean gain in log density over all parts."""
    pit = numpy.concatenate([part["average"][0] for part in parts])
    gain = numpy.concatenate([part["average"][1] - part["best"][1] for part in parts])
    result = {level: float(numpy.mean(numpy.abs(pit - 0.5) <= level / 200)) for level in (50, 90, 99)}
    return result | {"gain": float(gain.mean()), "spread": float(numpy.mean([part["spread"] for part in parts]))}
