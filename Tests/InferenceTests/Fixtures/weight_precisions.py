"""Automatic relevance determination of a linear-Gaussian model by SciPy: the prior precision of every weight that maximises
log N(y; 0, s2 I + X diag(1/delta) X'), X with a last column of ones, with the noise variance s2 given and with it free.

    python3 weight_precisions.py > weight_precisions.json        (NumPy and SciPy; versions are in the file)
"""

import json

import numpy
import scipy
from scipy.optimize import minimize

n, d, noise = 70, 6, 0.5
rng = numpy.random.default_rng(3)
x = rng.standard_normal((n, d))
x[:, 3] = 0.8 * x[:, 0] + 0.6 * x[:, 3]  # an irrelevant input that resembles a relevant one
y = 1.5 * x[:, 0] - 0.7 * x[:, 1] + 0.25 * x[:, 2] + 0.4 + noise * rng.standard_normal(n)
design = numpy.column_stack([x, numpy.ones(n)])
low, high = numpy.log(1e-8), numpy.log(1e8)


def negative(v, s2=None):
    s2 = numpy.exp(v[-1]) if s2 is None else s2
    delta = numpy.exp(v[: d + 1])
    cov = s2 * numpy.eye(n) + (design / delta) @ design.T
    inverse = numpy.linalg.inv(cov)
    a = inverse @ y
    value = 0.5 * (n * numpy.log(2 * numpy.pi) + numpy.linalg.slogdet(cov)[1] + y @ a)
    slope = [-0.5 / delta[j] * (design[:, j] @ inverse @ design[:, j] - (design[:, j] @ a) ** 2) for j in range(d + 1)]
    if len(v) > d + 1:
        slope.append(0.5 * s2 * (numpy.trace(inverse) - a @ a))
    return value, numpy.array(slope)


def best(s2):
    found = None
    for start in (-2.0, 0.0, 2.0):
        v = numpy.full(d + 1, start) if s2 is not None else numpy.append(numpy.full(d + 1, start), 0.0)
        bounds = [(low, high)] * (d + 1) + ([] if s2 is not None else [(-20, 20)])
        own = minimize(negative, v, args=(s2,), jac=True, method="L-BFGS-B", bounds=bounds,
                       options={"maxiter": 20000, "maxfun": 200000, "ftol": 1e-15, "gtol": 1e-10})
        if found is None or own.fun < found.fun:
            found = own
    return {
        "precisions": list(numpy.exp(found.x[: d + 1])),
        "noise_variance": s2 if s2 is not None else float(numpy.exp(found.x[-1])),
        "log_evidence": -float(found.fun),
    }


print(json.dumps({
    "versions": {"numpy": numpy.__version__, "scipy": scipy.__version__},
    "x": x.tolist(), "y": y.tolist(), "given": best(noise**2), "free": best(None),
}))
