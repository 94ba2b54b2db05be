"""Reference values of special functions and distributions, to 17 digits: python3 make_values.py > values.json

Made with mpmath 1.3.0 at 40 digits. Arguments are doubles, taken exactly.
"""
import json

from mpmath import betainc, digamma, erfc, gammainc, inf, log, log1p, loggamma, mp, mpf, nstr, sqrt

mp.dps = 40


def double(x):
    return float(nstr(x, 20))


def normal_cdf(z):
    return erfc(-mpf(z) / sqrt(2)) / 2


def student_cdf(t, nu):
    t, nu = mpf(t), mpf(nu)
    tail = betainc(nu / 2, mpf(1) / 2, 0, nu / (nu + t * t), regularized=True) / 2
    return tail if t < 0 else 1 - tail


def chi_upper(x, nu):
    return gammainc(mpf(nu) / 2, mpf(x) / 2, inf, regularized=True)


def f_upper(x, a, b):
    x, a, b = mpf(x), mpf(a), mpf(b)
    return betainc(b / 2, a / 2, 0, b / (b + a * x), regularized=True)


def log_gamma(x):
    return loggamma(mpf(x))


def log_one_plus(x):
    return log1p(mpf(x))


def log_normal_cdf(z):
    return log(normal_cdf(z))


def psi(x):
    return digamma(mpf(x))


def rows(function, arguments):
    result = []
    for a in arguments:
        a = a if isinstance(a, tuple) else (a,)
        result.append({"arguments": [float(x) for x in a], "value": double(function(*a))})
    return result


def bisect(function, lower, upper):
    """The sign change of an increasing function, to a relative 1e-22."""
    lower, upper = mpf(lower), mpf(upper)
    while upper - lower > abs(lower + upper) * mpf(10) ** -22:
        middle = (lower + upper) / 2
        lower, upper = (middle, upper) if function(middle) < 0 else (lower, middle)
    return (lower + upper) / 2


def quantiles(distribution, bracket, degrees, probabilities):
    result = []
    for nu in degrees:
        for p in probabilities:
            value = bisect(lambda x: distribution(x, nu) - mpf(p), *bracket(nu))
            result.append({"arguments": [p, float(nu)], "value": double(value)})
    return result


def chi_lower(x, nu):
    return 1 - chi_upper(x, nu)


chi_quantiles = quantiles(
    chi_lower, lambda nu: (0, nu + 10 * sqrt(mpf(nu)) + 20), (0.5, 1, 2.5, 10, 33.3, 1e3, 1e5, 1e6),
    (1e-4, 0.01, 0.5, 0.975, 0.99))
student_quantiles = quantiles(
    student_cdf, lambda nu: (-1e7, 1e7) if nu < 3 else (-100, 100), (1, 2.5, 7.3, 30, 1e3, 1e6, 1e9),
    (1e-6, 0.025, 0.3, 0.9, 0.995))

values = {
    "logGamma": rows(
        log_gamma, [1e-300, 1e-8, 0.1, 0.5, 0.999, 1.001, 1.4616, 1.999, 2.001, 3.5, 10, 100.5, 1e5, 1e15]),
    "digamma": rows(psi, [1e-8, 0.1, 0.5, 1, 1.25, 2, 3.5, 10, 100.5, 1e5, 1e15]),
    "logOnePlus": rows(log_one_plus, [-0.999, -0.5, -1e-5, -1e-300, 1e-300, 1e-18, 1e-8, 0.1, 1, 1e10]),
    "logNormalCDF": rows(log_normal_cdf, [-1e4, -100, -38, -10, -5, -2, -1, -0.1, 0, 0.1, 1, 2]),
    "normalCDF": rows(normal_cdf, [-37, -20, -8, -3, -1, -0.01, 0, 0.5, 2, 6, 40]),
    "studentCDF": rows(
        student_cdf, [(t, nu) for nu in (0.5, 1, 2.5, 7.3, 29, 31, 100, 1e4) for t in (-3, -0.5, 0.2, 2)]),
    "chiSquaredUpperTail": rows(
        chi_upper, [(q * nu, nu) for nu in (0.5, 1, 5, 30, 300, 1e4, 1e6) for q in (0.5, 1, 1.01, 1.5)]),
    "fUpperTail": rows(
        f_upper, [(x, a, b) for x in (0.2, 1, 3.5) for a, b in ((1, 1), (3, 20), (2.5, 7.5), (50, 400))]),
    "chiSquaredQuantile": chi_quantiles,
    "studentQuantile": student_quantiles,
}
# Values too small for a normal double cannot be compared relatively.
values = {k: [r for r in v if r["value"] == 0 or abs(r["value"]) > 1e-305] for k, v in values.items()}
print(json.dumps(values, indent=0))
