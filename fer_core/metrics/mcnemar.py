"""McNemar's test: do two classifiers differ significantly on the same images?"""

from __future__ import annotations

#: Minimum number of discordant images for the chi-squared test. With fewer, the test is exact.
_MIN_IMAGES_FOR_CHI_SQUARED = 25

EXACT_TEST = "exact binomial"
CHI_SQUARED_TEST = "chi-squared with continuity correction"


def mcnemar_test(only_first: int, only_second: int) -> tuple[float, str]:
    """Test whether two classifiers have the same error rate.

    Only discordant images matter: images that exactly one of the classifiers gets right. With fewer
    than 25 discordant images, the two-sided exact binomial test is used, otherwise the chi-squared
    test with Edwards's continuity correction. See McNemar, "Note on the sampling error of the
    difference between correlated proportions or percentages", Psychometrika 12, 1947.

    Args:
        only_first: Number of images that only the first classifier gets right.
        only_second: Number of images that only the second classifier gets right.

    Returns:
        The p-value, 0 to 1, and the name of the test that was used.
    """
    from scipy import stats

    discordant = only_first + only_second
    if not discordant:
        return 1.0, EXACT_TEST
    if discordant < _MIN_IMAGES_FOR_CHI_SQUARED:
        return float(stats.binomtest(only_first, discordant).pvalue), EXACT_TEST
    distance = max(abs(only_first - only_second) - 1, 0)
    return float(stats.chi2.sf(distance**2 / discordant, df=1)), CHI_SQUARED_TEST
