"""Agreement with annotator votes, against values computed by hand."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.ferplus import answer_columns
from fer_core.dataset.vote_targets import plurality_of_targets, target_distributions
from fer_core.emotions import EMOTIONS
from fer_core.evaluation.annotators import evaluate_against_votes, leave_one_out_agreement
from fer_core.evaluation.result import EvaluationResult

# neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown, not a face
COUNTS = np.array(
    [
        [0, 8, 0, 0, 0, 0, 0, 0, 2, 0],  # happy, clear
        [6, 0, 0, 4, 0, 0, 0, 0, 0, 0],  # neutral, not clear
        [5, 0, 0, 5, 0, 0, 0, 0, 0, 0],  # a tie
        [2, 0, 0, 0, 0, 0, 0, 7, 1, 0],  # contempt
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],  # no votes
    ],
    dtype=np.uint8,
)
HAPPY, SAD, NEUTRAL = 3, 4, 6
COLUMNS = answer_columns(EMOTIONS)


def test_agreement_of_one_with_the_others_computed_by_hand() -> None:
    people, model = leave_one_out_agreement(COUNTS[:3], np.array([HAPPY, SAD, SAD]), COLUMNS)
    # Eight of ten agree with the plurality of the others, for each annotator that is left out.
    assert people[0] == pytest.approx(0.8)
    assert model[0] == 1
    # Six neutral, four sad: without a neutral one still 5 to 4.
    assert people[1] == pytest.approx(0.6)
    assert model[1] == 0
    # Five each: without any one annotator, the other answer leads by one.
    assert people[2] == 0
    assert model[2] == pytest.approx(0.5)


def test_a_tie_of_the_others_counts_its_share() -> None:
    counts = np.array([[5, 4, 0, 0, 0, 0, 0, 0, 0, 0]], np.uint8)
    people, model = leave_one_out_agreement(counts, np.array([NEUTRAL]), COLUMNS)
    # Without one of five it is 4 to 4: half. Without one of four it is 5 to 3: wrong.
    assert people[0] == pytest.approx(5 * 0.5 / 9)
    assert model[0] == pytest.approx((5 * 0.5 + 4) / 9)


def test_the_evaluation_against_votes(
    make_result: Callable[..., EvaluationResult], draw_faces: Callable[..., FaceSet]
) -> None:
    faces = draw_faces([HAPPY, SAD, SAD, SAD, SAD], splits="validation")
    probabilities = np.full((5, 7), 0.05)
    probabilities[np.arange(5), [HAPPY, SAD, SAD, SAD, SAD]] = 0.7
    # Rows in another order than the dataset's.
    order = np.array([1, 0, 2, 4, 3])
    result = make_result(
        faces.labels[order],
        probabilities[order],
        rows=order,
        names=tuple("abcde"),
        is_leaked=np.array([True, False, False, False, False]),
    )
    found = evaluate_against_votes(result, COUNTS[order])
    assert found.result.rows.tolist() == [1, 0]
    assert found.result.labels.tolist() == [NEUTRAL, HAPPY]
    assert found.result.names == ("a", "b")
    assert (
        found.voted_count,
        found.unvoted_count,
        found.other_answer_count,
        found.tie_count,
    ) == (4, 1, 1, 1)
    assert found.result.accuracy.value == 0.5
    assert found.annotator_agreement.value == pytest.approx(0.7)
    assert found.model_agreement.value == pytest.approx(0.5)
    assert (found.clear_n, found.clear_accuracy.value) == (1, 1.0)
    # Happy alone (unknown is dropped from the seven); 6 to 4; 5 to 5.
    expected = -np.log([0.7, 0.7, 0.7]) * [1, 0.4, 0.5] - np.log(0.05) * np.array([0, 0.6, 0.5])
    assert found.cross_entropy.value == pytest.approx(expected.mean(), rel=1e-6)
    document = found.to_json()
    assert document["clear"]["n"] == 1
    assert document["annotator_agreement"]["value"] == pytest.approx(0.7)


@pytest.mark.soak
def test_on_the_real_votes_one_annotator_agrees_with_the_others_as_published(
    real_data: Path, real_faces: FaceSet
) -> None:
    from fer_core.dataset.votes_file import match_votes, parse_votes

    table = parse_votes((real_data / "ferplus_votes.csv").read_bytes(), "votes")
    votes = match_votes(table, real_faces, "votes")
    rows = real_faces.rows("validation")
    targets = target_distributions(votes.counts[rows], "votes_distribution")
    single = plurality_of_targets(targets) >= 0
    people, _ = leave_one_out_agreement(
        votes.counts[rows][single], np.zeros(3372, np.intp), COLUMNS
    )
    assert people.mean() == pytest.approx(0.771, abs=0.001)
