"""Reference scores of class probabilities: python3 class_scores.py > class_scores.json

accuracy, log loss and Brier score by scikit-learn 1.9.1 (scale_by_half=False: the multiclass sum), the expected
calibration error by NumPy from the definition of Guo et al. 2017. Probabilities are written with 17 digits.
"""
import json

import numpy as np
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss


def calibration_error(p, y, bins=15):
    confidence, correct = p.max(1), p.argmax(1) == y
    edges = np.linspace(0, 1, bins + 1)
    error = 0.0
    for low, high in zip(edges[:-1], edges[1:]):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            error += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    return error


def case(seed, rows, classes, spread):
    rng = np.random.default_rng(seed)
    f = spread * rng.standard_normal((rows, classes))
    y = np.array([rng.choice(classes, p=np.exp(0.7 * r) / np.exp(0.7 * r).sum()) for r in f])
    p = np.exp(f - f.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    labels = list(range(classes))
    return {
        "outputs": f.tolist(), "classes": y.tolist(),
        "accuracy": accuracy_score(y, p.argmax(1)), "nll": log_loss(y, p, labels=labels),
        "brier": brier_score_loss(y, p, labels=labels, scale_by_half=False), "ece": calibration_error(p, y),
    }


print(json.dumps([case(1, 60, 2, 1.5), case(2, 100, 4, 2.0), case(3, 40, 10, 4.0)], indent=1))
