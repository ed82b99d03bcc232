"""Two models on the same images."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as reference

from fer_core.errors import InputError
from fer_core.evaluation.model_comparison import compare
from fer_core.evaluation.result import EvaluationResult

MakeResult = Callable[..., EvaluationResult]


@pytest.fixture
def pair(random_result: MakeResult) -> tuple[EvaluationResult, EvaluationResult]:
    first = random_result(700, seed=1, skill=1.0, bundle_name="first")
    second = random_result(700, seed=2, skill=1.8, bundle_name="second")
    return first, second


def test_counts_and_p_value(
    pair: tuple[EvaluationResult, EvaluationResult],
) -> None:
    first, second = pair
    found = compare(first, second)
    correct = first.is_correct, second.is_correct
    assert found.both_correct == (correct[0] & correct[1]).sum()
    assert found.only_first == (correct[0] & ~correct[1]).sum() == len(found.only_first_positions)
    assert found.only_second == (~correct[0] & correct[1]).sum() == len(found.only_second_positions)
    assert found.both_wrong == (~correct[0] & ~correct[1]).sum() == len(found.both_wrong_positions)
    assert found.first_accuracy == pytest.approx(correct[0].mean())
    statistic = (abs(found.only_first - found.only_second) - 1) ** 2 / (
        found.only_first + found.only_second
    )
    assert found.p_value == pytest.approx(stats.chi2.sf(statistic, 1))
    assert correct[0][found.only_first_positions].all()
    assert not correct[1][found.only_first_positions].any()
    assert (np.diff(first.confidence[found.only_first_positions]) <= 0).all()
    assert (np.diff(second.confidence[found.only_second_positions]) <= 0).all()


def test_the_interval_is_paired(pair: tuple[EvaluationResult, EvaluationResult]) -> None:
    first, second = pair
    gains = second.is_correct.astype(float) - first.is_correct
    found = compare(first, second).difference
    error = gains.std() / np.sqrt(len(gains))
    assert found.value == pytest.approx(gains.mean())
    assert found.low == pytest.approx(gains.mean() - 1.96 * error, abs=0.15 * error)
    assert found.high == pytest.approx(gains.mean() + 1.96 * error, abs=0.15 * error)


def test_metrics_per_class_equal_scikit_learn(
    pair: tuple[EvaluationResult, EvaluationResult],
) -> None:
    first, second = pair
    recalls = [reference.recall_score(one.labels, one.predicted, average=None) for one in pair]
    f1s = [reference.f1_score(one.labels, one.predicted, average=None) for one in pair]
    for emotion, one in enumerate(compare(first, second).per_class):
        assert one.first_recall == pytest.approx(recalls[0][emotion])
        assert one.second_f1 == pytest.approx(f1s[1][emotion])
        assert one.recall_difference.value == pytest.approx(
            recalls[1][emotion] - recalls[0][emotion]
        )
        assert one.f1_difference.value == pytest.approx(f1s[1][emotion] - f1s[0][emotion])
        assert one.support == (first.labels == emotion).sum()


def test_the_sentence_names_the_better_model(
    pair: tuple[EvaluationResult, EvaluationResult],
) -> None:
    first, second = pair
    one_way, other_way = compare(first, second).sentence, compare(second, first).sentence
    # The intervals differ slightly because of other bootstrap samples.
    assert one_way.partition("(")[0] == other_way.partition("(")[0]
    assert one_way.startswith("The accuracy of second is ")
    assert "percentage points higher than that of first" in one_way
    assert "p < 0.001: the difference is statistically significant." in one_way


def test_a_model_compared_with_itself(pair: tuple[EvaluationResult, EvaluationResult]) -> None:
    found = compare(pair[0], pair[0])
    assert (found.p_value, found.test) == (1.0, "exact binomial")
    assert (found.difference.value, found.difference.low, found.difference.high) == (0, 0, 0)
    assert "have the same accuracy" in found.sentence
    assert found.sentence.endswith("the difference is not statistically significant.")


def test_a_class_that_does_not_occur_has_no_difference(make_result: MakeResult) -> None:
    rows = np.eye(7)[[0, 0, 1]]
    found = compare(make_result([0, 1, 1], rows), make_result([0, 1, 1], np.eye(7)[[0, 1, 1]]))
    assert found.per_class[1].recall_difference.value == pytest.approx(0.5)
    absent = found.per_class[4]
    assert (absent.support, absent.first_recall, absent.recall_difference.value) == (0, None, None)
    assert "not statistically significant" in found.sentence


@pytest.mark.parametrize("change", ["data", "unknown data", "split", "labels"])
def test_results_on_other_images_are_an_input_error(
    pair: tuple[EvaluationResult, EvaluationResult], change: str
) -> None:
    first, second = pair
    if change == "data":
        second = replace(second, data_fingerprint="another")
    elif change == "unknown data":
        first, second = (replace(one, data_fingerprint="") for one in pair)
    elif change == "split":
        second = replace(second, split="test")
    else:
        second = replace(second, labels=second.labels[::-1])
    with pytest.raises(InputError, match="not evaluated on the same images"):
        compare(first, second)


def test_classes_are_compared_by_name(pair: tuple[EvaluationResult, EvaluationResult]) -> None:
    first, second = pair
    reversed_second = replace(
        second,
        labels=(6 - second.labels).astype(np.int8),
        unscaled_probabilities=np.ascontiguousarray(second.unscaled_probabilities[:, ::-1]),
        classes=second.classes[::-1],
    )
    found, expected = compare(first, reversed_second), compare(first, second)
    assert found.sentence == expected.sentence
    assert found.per_class == expected.per_class


def test_models_with_other_classes_are_compared_on_those_that_both_have(
    make_result: Callable[..., EvaluationResult],
) -> None:
    first = make_result(
        [0, 0, 1, 2],
        np.eye(3)[[0, 1, 1, 2]],
        classes=("cat", "dog", "cow"),
        rows=np.array([10, 11, 12, 13]),
        data_fingerprint="pets",
    )
    # It does not know cows, so it was evaluated on the other images only.
    second = make_result(
        [1, 1, 0],
        np.eye(3)[[1, 1, 2]],
        classes=("dog", "cat", "bird"),
        rows=np.array([10, 11, 12]),
        data_fingerprint="pets",
    )
    found = compare(first, second)
    assert found.n == 3
    assert (found.both_correct, found.only_first, found.only_second) == (1, 1, 1)
    assert [one.name for one in found.per_class] == ["cat", "dog"]
    assert found.only_first_positions.tolist() == [2]
    assert found.only_second_positions.tolist() == [1]
    with pytest.raises(InputError, match="no class of these images in common"):
        compare(first, replace(second, classes=("x", "y", "z"), labels=first.labels[:3]))
