"""Class probabilities from a Gaussian over outputs, in NumPy: python3 class_methods.py > class_methods.json

Three cases with every closed form and a Monte Carlo estimate (400,000 draws) with its standard errors, for the tests; the
table of Papers/class-predictives.md goes to standard error: the mean Kullback-Leibler divergence (nats) of 60 random
Gaussians' Monte Carlo estimate (200,000 draws) from each method's probabilities. m ~ N(0, 4), S = v A A'/C, A standard normal.
"""
import json
import sys

import numpy as np


def softmax(f):
    e = np.exp(f - f.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def probit(m, s):
    return softmax(m / np.sqrt(1 + np.pi / 8 * np.diag(s)))


def pairwise(m, s):
    d = np.diag(s)
    z = (m[:, None] - m[None]) / np.sqrt(1 + np.pi / 8 * (d[:, None] + d[None] - 2 * s))
    p = 1 / np.exp(-z).sum(1)
    return p / p.sum()


def dirichlet(m, s):
    k = len(m)
    a = (1 - 2 / k + np.exp(m) / k**2 * np.exp(-m).sum()) / np.diag(s)
    return a / a.sum()


def centred(m, s):
    p = np.eye(len(m)) - 1 / len(m)
    return p @ m, p @ s @ p


def conditioned(m, s):
    """N(m, s) given that the outputs sum to zero, as published."""
    r = s.sum(1)
    return m - r * m.sum() / r.sum(), s - np.outer(r, r) / r.sum()


def published_norm(m, s):
    m, s = conditioned(m, s)
    c = np.diag(s).mean() / np.sqrt(len(m) / 2)
    return dirichlet(m / np.sqrt(c), s / c)


METHODS = {
    "plugIn": lambda m, s: softmax(m),
    "probit": probit,
    "pairwiseProbit": pairwise,
    "laplaceBridge": lambda m, s: dirichlet(*centred(m, s)),
    "bridge, conditioned": lambda m, s: dirichlet(*conditioned(m, s)),
    "bridge, conditioned and normalised": published_norm,
}


def draw(rng, classes, v):
    m = 2 * rng.standard_normal(classes)
    a = rng.standard_normal((classes, classes))
    return m, v * a @ a.T / classes


def monte_carlo(z, m, s):
    values, vectors = np.linalg.eigh(s)
    return softmax(m + z @ (vectors * np.sqrt(np.maximum(values, 0))).T)


rng = np.random.default_rng(11)
cases = []
for classes, v in [(2, 3.0), (3, 1.0), (6, 8.0)]:
    m, s = draw(rng, classes, v)
    p = monte_carlo(rng.standard_normal((400_000, classes)), m, s)
    case = {"mean": m.tolist(), "covariance": s.tolist(), "exact": p.mean(0).tolist(), "deviations": p.std(0).tolist()}
    for name in ["plugIn", "probit", "pairwiseProbit", "laplaceBridge"]:
        case[name] = METHODS[name](m, s).tolist()
    cases.append(case)
print(json.dumps(cases, indent=1))

with np.errstate(all="ignore"):
    for classes in (2, 3, 10):
        for v in (0.1, 1, 10):
            z = rng.standard_normal((200_000, classes))
            sums = {name: [] for name in METHODS}
            for _ in range(60):
                m, s = draw(rng, classes, v)
                p = monte_carlo(z, m, s).mean(0)
                for name, method in METHODS.items():
                    sums[name].append((p * np.log(p / method(m, s))).sum())
            row = " | ".join(f"{np.mean(values):.1e}" for values in sums.values())
            print(f"| {classes} | {v} | {row} |", file=sys.stderr)
