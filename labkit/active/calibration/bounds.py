"""Bounds of a probability that was seen as k failures in n independent trials."""

from __future__ import annotations

from scipy.stats import beta, binom

from labkit.active.calibration.measures.arrays import check_share
from labkit.errors import LabkitError


def clopper_pearson(failures: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact two-sided interval of the probability of failure, which holds it at least this often.

    Source: Clopper, Pearson, Biometrika 26, 404 (1934).

    >>> [round(x, 4) for x in clopper_pearson(1, 10)]
    [0.0025, 0.445]
    """
    return 1 - upper_bound(n - failures, n, (1 + confidence) / 2), upper_bound(failures, n, (1 + confidence) / 2)


def upper_bound(failures: int, n: int, confidence: float = 0.95) -> float:
    """The one-sided Clopper-Pearson bound: the p for which at most k failures have the probability 1 - confidence.

    >>> upper_bound(0, 59) < 0.05 < upper_bound(0, 58)
    True
    """
    check_share(confidence, "confidence")
    if not 0 <= failures <= n or n < 1:
        raise LabkitError(f"{failures} failures in {n} trials; expected from 0 to n failures in one or more trials")
    return 1.0 if failures == n else float(beta.ppf(confidence, failures + 1, n - failures))


def frames_needed(share: float = 0.95, confidence: float = 0.95, failures: int = 0) -> int:
    """The fewest independent trials with so many failures that show a share of successes with this confidence.

    >>> [frames_needed(0.95, 0.95, failures) for failures in (0, 1, 2)]
    [59, 93, 124]
    """
    check_share(share, "share")
    check_share(confidence, "confidence")
    if failures < 0:
        raise LabkitError(f"failures is {failures}; expected 0 or more")
    low, high = failures, failures + 1
    while binom.cdf(failures, high, 1 - share) > 1 - confidence:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if binom.cdf(failures, middle, 1 - share) <= 1 - confidence else (middle, high)
    return high
