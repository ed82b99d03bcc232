"""McNemar's test: by hand, and compared with SciPy and a published example."""

import pytest
from scipy import stats

from fer_core.metrics import mcnemar_test


@pytest.mark.parametrize(("first", "second"), [(0, 1), (3, 8), (12, 12), (0, 24), (10, 1)])
def test_few_discordant_images_use_the_exact_test(first: int, second: int) -> None:
    p_value, test = mcnemar_test(first, second)
    assert test == "exact binomial"
    assert p_value == pytest.approx(stats.binomtest(first, first + second).pvalue)


@pytest.mark.parametrize(("first", "second"), [(20, 40), (150, 121), (25, 0), (500, 400)])
def test_many_discordant_images_use_chi_squared_with_correction(first: int, second: int) -> None:
    p_value, test = mcnemar_test(first, second)
    assert test == "chi-squared with continuity correction"
    statistic = (abs(first - second) - 1) ** 2 / (first + second)
    assert p_value == pytest.approx(stats.chi2.sf(statistic, 1))


def test_a_textbook_example() -> None:
    # Agresti, "Categorical data analysis": approval of the prime minister, 150 and 86 changed
    # their minds; with the correction (64 - 1)^2 / 236 = 16.82, p = 0.00004.
    p_value, _ = mcnemar_test(150, 86)
    assert p_value == pytest.approx(4.115e-5, rel=1e-2)


def test_the_exact_test_by_hand() -> None:
    # Two-sided: twice the probability of at most 3 successes in 11 fair trials.
    p_value, _ = mcnemar_test(3, 8)
    assert p_value == pytest.approx(2 * (1 + 11 + 55 + 165) / 2**11)


def test_without_discordant_images_the_p_value_is_1() -> None:
    assert mcnemar_test(0, 0) == (1.0, "exact binomial")
    assert mcnemar_test(30, 30)[0] == 1.0
    assert mcnemar_test(30, 20) == mcnemar_test(20, 30)
