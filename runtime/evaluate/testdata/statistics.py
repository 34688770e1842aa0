"""Writes statistics.json, the reference of statistics_test.go.

    python -m venv env && env/bin/pip install scipy==1.17.1 statsmodels
    env/bin/python statistics.py > statistics.json
"""
import json
import sys

import numpy as np
import scipy
from scipy import stats
from statsmodels.stats.multitest import multipletests

rng = np.random.default_rng(20)


def sample(n, shift, decimals=None, zeros=0):
    d = rng.normal(shift, 0.03, n)
    if decimals is not None:
        d = np.round(d, decimals)
    d[:zeros] = 0
    return d + 0.0


def wilcoxon(name, d, zeros, method):
    """method: exact | every (all sign assignments) | normal."""
    how = {
        "exact": dict(method="exact"),
        "every": dict(method=stats.PermutationMethod(n_resamples=np.inf)),
        "normal": dict(method="asymptotic", correction=True),
    }[method]
    r = stats.wilcoxon(d, zero_method={"wilcoxon": "wilcox"}.get(zeros, zeros), **how)
    return dict(name=name, d=d.tolist(), zeros=zeros, exact=method != "normal", p=float(r.pvalue))


tests = []
for n, shift in [(6, 0.05), (7, 0), (10, 0.01), (20, 0.02), (25, -0.01), (50, 0.015)]:
    tests.append(wilcoxon(f"{n} without ties", sample(n, shift), "wilcoxon", "exact"))
for zeros in ["wilcoxon", "pratt"]:
    tests.append(wilcoxon("12 with ties", sample(12, 0.02, 2), zeros, "every"))
    tests.append(wilcoxon("14 with ties and zeros", sample(14, 0.02, 2, 4), zeros, "every"))
    tests.append(wilcoxon("80 without ties", sample(80, 0.005), zeros, "normal"))
    tests.append(wilcoxon("90 with ties and zeros", sample(90, -0.006, 2, 11), zeros, "normal"))
    tests.append(wilcoxon("260, clearly different", sample(260, 0.01, 3, 5), zeros, "normal"))

intervals = []
for n, skew in [(14, 1), (30, 3), (60, 1)]:
    d = sample(n, 0.01)
    d = np.sign(d) * np.abs(d) ** skew
    r = stats.bootstrap((d,), np.mean, n_resamples=499, method="BCa", rng=rng)
    ours = stats.bootstrap((d,), np.mean, n_resamples=200_000, method="BCa", rng=rng)
    intervals.append(dict(
        d=d.tolist(), means=np.sort(r.bootstrap_distribution).tolist(),
        low=float(r.confidence_interval.low), high=float(r.confidence_interval.high),
        long=[float(ours.confidence_interval.low), float(ours.confidence_interval.high)]))

friedman = []
for n, k, decimals in [(6, 3, 4), (10, 5, 2), (3, 3, 1)]:
    s = np.round(rng.uniform(0.7, 0.9, (n, k)), decimals)
    r = stats.friedmanchisquare(*s.T)
    friedman.append(dict(scores=s.tolist(), statistic=float(r.statistic), p=float(r.pvalue)))

holm = []
for k in [1, 3, 6]:
    p = np.round(rng.uniform(0, 0.1, k) ** 1.5, 5)
    holm.append(dict(p=p.tolist(), adjusted=multipletests(p, method="holm")[1].tolist()))

json.dump(dict(source=f"scipy {scipy.__version__}, numpy {np.__version__}", wilcoxon=tests,
               intervals=intervals, friedman=friedman, holm=holm), sys.stdout)
print()
