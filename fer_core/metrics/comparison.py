"""Whether one classifier is better than another on the same images, or only luckier."""

from __future__ import annotations

import math

#: Below so many disagreements the exact test is taken.
_EXACT_BELOW = 25

EXACT_TEST = "exact binomial"
CHI_SQUARED_TEST = "chi-squared with continuity correction"


def mcnemar_test(only_first: int, only_second: int) -> tuple[float, str]:
    """McNemar's test: are two classifiers wrong equally often?

    Only the images on which exactly one of them is right count. Below 25 of these the two-sided
    exact binomial test is taken, otherwise the chi-squared test with Edwards's continuity
    correction. After McNemar, "Note on the sampling error of the difference between correlated
    proportions or percentages", Psychometrika 12, 1947.

    Args:
        only_first: Images that only the first classifier gets right.
        only_second: Images that only the second one gets right.

    Returns:
        The p-value, 0 to 1, and the test taken.
    """
    disagreements = only_first + only_second
    if disagreements < _EXACT_BELOW:
        fewer = min(only_first, only_second)
        tail = sum(math.comb(disagreements, k) for k in range(fewer + 1))
        return min(1.0, 2 * tail / 2**disagreements), EXACT_TEST
    distance = max(abs(only_first - only_second) - 1, 0)
    statistic = distance**2 / disagreements
    # The upper tail of the chi-squared distribution with one degree of freedom.
    return math.erfc(math.sqrt(statistic / 2)), CHI_SQUARED_TEST
