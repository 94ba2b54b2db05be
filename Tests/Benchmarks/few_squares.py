"""How often the mean of n more squares from the same source as N known ones is called larger at a level of 1 %: by F(n/k, N/k), k by the known
ones (`SampleMoments.upperTail(ofMeanSquare:of:)`), and by a shifted gamma that takes their mean for normal (`upperTail(ofMean:of:)`). Both
written out here with SciPy. Needs NumPy and SciPy.

    python3 Tests/Benchmarks/few_squares.py [sets]"""
import sys
import numpy as np
from scipy import stats

sets = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
rng = np.random.default_rng(0)


def by_f(mean, known, n):
    k = max(1, known.var(ddof=1) / (2 * known.mean() ** 2))
    return stats.f.sf(mean / known.mean(), n / k, len(known) / k)


def by_gamma(mean, known, n):
    count, variance, off = len(known), known.var(ddof=1), known - known.mean()
    spread = variance * (1 / n + 1 / count)
    t = (mean - known.mean()) / np.sqrt(spread)
    skewness = (off**3).mean() / (off**2).mean() ** 1.5 * variance**1.5 * (1 / n**2 - 1 / count**2) / spread**1.5
    if skewness <= 1e-3:
        return stats.t.sf(t, count - 1)
    shape = 4 / skewness**2
    return stats.gamma.sf(shape + t * np.sqrt(shape), shape)


print("| numbers | N, n | F(n/k, N/k) | known mean taken for normal |\n|---|---|---|---|")
for name, draw in {"normal": rng.normal, "Student, 15 degrees": lambda size: rng.standard_t(15, size),
                   "Student, 10 degrees": lambda size: rng.standard_t(10, size)}.items():
    for count, n in [(60, 60), (30, 60), (60, 200), (30, 200)]:
        found = np.zeros(2)
        for _ in range(sets):
            known, mean = draw(size=count) ** 2, (draw(size=n) ** 2).mean()
            found += [by_f(mean, known, n) < 0.01, by_gamma(mean, known, n) < 0.01]
        print(f"| {name} | {count}, {n} | {100 * found[0] / sets:.1f} % | {100 * found[1] / sets:.1f} % |", flush=True)
