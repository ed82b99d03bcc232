"""Targets from annotator votes, against distributions computed by hand."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fer_core.dataset.curation import Curation, apply_curation, entries_for
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.vote_targets import (
    VoteRecord,
    plurality_of_targets,
    vote_targets,
    with_vote_targets,
    without_single_votes,
)
from fer_core.dataset.votes import Votes
from fer_core.dataset.votes_file import match_votes, parse_votes

# neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown, not a face
COUNTS = np.array(
    [
        [0, 0, 0, 0, 8, 2, 0, 0, 0, 0],  # angry .8, disgust .2
        [1, 6, 0, 0, 0, 0, 0, 3, 0, 0],  # the single vote is dropped: happy alone
        [4, 0, 0, 4, 0, 0, 2, 0, 0, 0],  # neutral and sad tie
        [3, 0, 0, 0, 0, 0, 0, 4, 3, 0],  # contempt wins
        [4, 0, 0, 0, 0, 0, 0, 4, 2, 0],  # neutral and contempt tie
        [1, 1, 1, 1, 1, 1, 1, 1, 1, 1],  # nothing but single votes
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],  # no votes
    ],
    dtype=np.uint8,
)
VOTES = Votes(COUNTS, "votes.csv", "")


@pytest.fixture
def faces(draw_faces: Callable[..., FaceSet]) -> FaceSet:
    """One image per row of votes, the last two in validation."""
    return draw_faces([0, 3, 4, 6, 6, 5, 2], splits=["train"] * 5 + ["validation"] * 2)


def test_single_votes_are_dropped() -> None:
    kept = without_single_votes(COUNTS)
    assert kept.dtype == np.uint8
    assert kept[1].tolist() == [0, 6, 0, 0, 0, 0, 0, 3, 0, 0]
    assert kept[5].sum() == 0


def test_distributions_computed_by_hand(faces: FaceSet) -> None:
    found = vote_targets(VOTES, faces, "votes_distribution")
    expected = np.zeros((7, 7))
    expected[0, [0, 1]] = 0.8, 0.2  # angry, disgust
    expected[1, 3] = 1  # happy
    expected[2, [6, 4, 2]] = 0.4, 0.4, 0.2  # neutral, sad, fear
    np.testing.assert_allclose(found.targets, expected, atol=1e-7)
    assert found.targets.dtype == np.float32
    assert found.left_out["train"] == {"no votes": 0, "other answer": 2, "tie": 0}
    assert found.left_out["validation"] == {"no votes": 1, "other answer": 1, "tie": 0}
    assert found.summary == (
        "2 training images left out (2 other answer); "
        "2 validation images left out (1 no votes, 1 other answer)"
    )
    assert plurality_of_targets(found.targets).tolist() == [0, 3, -1, -1, -1, -1, -1]


def test_the_majority_leaves_ties_out_too(faces: FaceSet) -> None:
    found = vote_targets(VOTES, faces, "votes_majority")
    assert found.targets.argmax(axis=1)[:2].tolist() == [0, 3]
    assert found.targets.sum(axis=1).tolist() == [1, 1, 0, 0, 0, 0, 0]
    assert found.left_out["train"] == {"no votes": 0, "other answer": 2, "tie": 1}


def test_targets_go_with_their_images_and_not_into_the_fingerprint(faces: FaceSet) -> None:
    targets = vote_targets(VOTES, faces, "votes_distribution")
    voted = with_vote_targets(faces, VoteRecord(VOTES, targets))
    assert voted.fingerprint == faces.fingerprint
    assert with_vote_targets(faces, None) is faces
    part = voted.subset(np.array([2, 0]))
    assert part.targets is not None
    np.testing.assert_array_equal(part.targets, targets.targets[[2, 0]])


def test_a_person_who_relabels_outvotes_the_annotators(faces: FaceSet) -> None:
    targets = vote_targets(VOTES, faces, "votes_distribution")
    voted = with_vote_targets(faces, VoteRecord(VOTES, targets))
    entries = entries_for(voted, [0], "relabel", label="sad", reason="", source="") + entries_for(
        voted, [1], "drop", reason="", source=""
    )
    curated = apply_curation(voted, Curation(entries), ("train",)).faces
    assert curated.targets is not None
    assert curated.targets[0].tolist() == [0, 0, 0, 0, 1, 0, 0]
    np.testing.assert_array_equal(curated.targets[1], targets.targets[2])
    # The dataset's own targets stay as they are.
    assert targets.targets[0, 0] == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (np.ones((3, 7), np.float32) / 7, r"targets should be float32 \[7, 7\]"),
        (np.ones((7, 7)) / 7, "targets should be float32"),
        (np.ones((7, 7), np.float32), "a distribution, or zeros"),
        (np.eye(7, dtype=np.float32) * -1, "a distribution, or zeros"),
    ],
)
def test_other_targets_are_refused(
    faces: FaceSet, targets: np.ndarray[tuple[int, int], np.dtype[np.float32]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        replace(faces, targets=targets)


@pytest.mark.soak
def test_the_real_votes(real_data: Path, real_faces: FaceSet) -> None:
    table = parse_votes((real_data / "ferplus_votes.csv").read_bytes(), "votes")
    votes = match_votes(table, real_faces, "votes")
    # Each image has its own row of votes and not its duplicate's.
    of_name = dict(zip(table.images, table.counts, strict=True))
    named = [row for row, name in enumerate(real_faces.names) if name in of_name]
    assert len(named) == len(table.images) == 32_132
    np.testing.assert_array_equal(
        votes.counts[named], np.stack([of_name[real_faces.names[row]] for row in named])
    )
    targets = vote_targets(votes, real_faces, "votes_distribution").targets
    plurality = plurality_of_targets(targets)[real_faces.rows("validation")]
    assert (plurality >= 0).sum() == 3_372
    assert np.bincount(plurality[plurality >= 0])[2] == 73  # fear
