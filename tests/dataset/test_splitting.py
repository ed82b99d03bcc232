"""Cutting validation and test out of data that come without them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fer_core.dataset.splitting import SplitChoice, create_missing_splits
from fer_core.errors import InputError

TRAIN, VALIDATION, TEST = 0, 1, 2


def labels_of(counts: dict[int, int]) -> NDArray[np.int8]:
    labels = np.repeat(list(counts), list(counts.values())).astype(np.int8)
    return np.random.default_rng(9).permutation(labels)


def count(labels: NDArray[np.int8], splits: NDArray[np.int8], split: int) -> list[int]:
    return [int(np.sum(labels[splits == split] == label)) for label in range(7)]


def test_each_class_gives_its_share() -> None:
    labels = labels_of({0: 100, 1: 20, 3: 47})
    splits = create_missing_splits(labels, np.zeros(167, np.int8), SplitChoice(0.1, 0.2))
    assert count(labels, splits, VALIDATION) == [10, 2, 0, 5, 0, 0, 0]
    assert count(labels, splits, TEST) == [20, 4, 0, 9, 0, 0, 0]
    assert count(labels, splits, TRAIN) == [70, 14, 0, 33, 0, 0, 0]


def test_an_existing_split_is_not_changed() -> None:
    labels = labels_of({0: 40, 6: 40})
    given_splits = np.where(np.arange(80) < 16, TEST, TRAIN).astype(np.int8)
    splits = create_missing_splits(labels, given_splits, SplitChoice(0.25, 0.1))
    np.testing.assert_array_equal(splits == TEST, given_splits == TEST)
    divided = count(labels, given_splits, TRAIN)
    assert count(labels, splits, VALIDATION) == [round(0.25 * number) for number in divided]
    assert given_splits.max() == TEST and not (given_splits == VALIDATION).any()  # not changed


def test_with_both_splits_present_no_split_is_created() -> None:
    labels = labels_of({0: 10, 1: 10})
    given_splits = np.array([TRAIN] * 18 + [VALIDATION, TEST], np.int8)
    np.testing.assert_array_equal(
        create_missing_splits(labels, given_splits, SplitChoice()), given_splits
    )


def test_the_seed_decides() -> None:
    labels, nothing = labels_of({0: 50, 1: 50}), np.zeros(100, np.int8)
    first, again, other = (
        create_missing_splits(labels, nothing, SplitChoice(seed=seed)) for seed in (4, 4, 5)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@hypothesis_settings(max_examples=100)
@given(
    counts=st.dictionaries(st.integers(0, 6), st.integers(1, 30), min_size=1),
    validation=st.floats(0.01, 0.49),
    test=st.floats(0.01, 0.49),
    seed=st.integers(0, 100),
)
def test_no_class_loses_its_last_training_image(
    counts: dict[int, int], validation: float, test: float, seed: int
) -> None:
    labels = labels_of(counts)
    splits = create_missing_splits(
        labels, np.zeros(len(labels), np.int8), SplitChoice(validation, test, seed)
    )
    assert set(labels[splits == TRAIN]) == set(counts)


@pytest.mark.parametrize("share", [0.0, 0.5, -0.1, 1.0, float("nan")])
def test_shares_outside_their_range_are_refused(share: float) -> None:
    with pytest.raises(InputError, match=r"validation share should be above 0 and below 0.5"):
        SplitChoice(validation_share=share)
    with pytest.raises(InputError, match=r"test share should be above 0 and below 0.5"):
        SplitChoice(test_share=share)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(InputError, match="seed of the split should be 0 or above"):
        SplitChoice(seed=-1)
