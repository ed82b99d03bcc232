"""Evaluation on curated data."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from fer_core.bundle import Bundle
from fer_core.dataset.curation import CuratedFaceSet, Curation, apply_curation, entries_for
from fer_core.dataset.face_set import FaceSet
from fer_core.emotions import EMOTIONS
from fer_core.evaluation.evaluate import curation_summary, evaluate_curated, evaluate_split
from fer_core.evaluation.result import EvaluationResult
from fer_core.settings import Settings


@pytest.fixture
def curated(tiny_faces: FaceSet) -> CuratedFaceSet:
    """Two train images and the first validation image dropped; the second one relabeled."""
    first, second = tiny_faces.rows("validation")[:2]
    other = EMOTIONS[(tiny_faces.labels[second] + 1) % 7]
    dropped = entries_for(tiny_faces, [0, 1, first], "drop", reason="none", source="test")
    moved = entries_for(tiny_faces, [second], "relabel", label=other, reason="it", source="test")
    return apply_curation(tiny_faces, Curation((*dropped, *moved)))


def test_dropped_images_are_left_out_and_new_labels_are_used(
    bundle: Bundle, tiny_faces: FaceSet, curated: CuratedFaceSet, settings: Settings
) -> None:
    whole = evaluate_split(bundle, tiny_faces, "validation", settings, dataset_name="tiny")
    result = evaluate_curated(
        bundle, tiny_faces, curated, "validation", settings, dataset_name="tiny"
    )
    assert result.n == whole.n - 1
    assert result.dataset_name == "tiny (curated)"
    np.testing.assert_array_equal(curated.rows[result.rows], whole.rows[1:])
    assert result.names == whole.names[1:]
    np.testing.assert_allclose(
        result.unscaled_probabilities, whole.unscaled_probabilities[1:], atol=1e-6
    )
    assert result.labels[0] == (whole.labels[1] + 1) % 7
    np.testing.assert_array_equal(result.labels[1:], whole.labels[2:])


def test_the_first_warning_says_that_the_data_is_curated(
    bundle: Bundle, tiny_faces: FaceSet, curated: CuratedFaceSet, settings: Settings
) -> None:
    result = evaluate_curated(
        bundle, tiny_faces, curated, "validation", settings, dataset_name="tiny"
    )
    assert result.facts.warnings[0] == (
        "The curation is applied: of the validation images 1 is left out and 1 has a new label. "
        "These metrics cannot be compared with metrics on the published data. If a model suggested "
        "new labels, the metrics favor this model and similar models."
    )


def test_the_summary_is_about_the_evaluated_split(curated: CuratedFaceSet) -> None:
    assert "of the train images 2 are left out and 0 have" in curation_summary(curated, "train")
    assert "of the images 3 are left out and 1 has" in curation_summary(curated, "all")
    assert curation_summary(curated, "test") == (
        "The curation is applied; it does not change the test images."
    )


def test_the_data_of_a_starting_model_is_training_data(
    bundle: Bundle, tiny_faces: FaceSet, settings: Settings, make_record: Callable
) -> None:
    seen = {"name": "tiny", "fingerprint": tiny_faces.fingerprint}
    record = make_record(
        dataset={"name": "mine", "fingerprint": "e" * 64},
        start={"model": "first", "datasets": [{"name": "other", "fingerprint": "d" * 64}, seen]},
    )
    tuned = replace(bundle, record=record)

    def on(split: str) -> EvaluationResult:
        return evaluate_split(tuned, tiny_faces, split, settings, dataset_name="tiny")

    train = on("train")
    assert train.facts.is_training_data
    assert any("training images of first, from which" in one for one in train.warnings)
    validation = on("validation")
    assert not validation.facts.is_training_data
    assert not any("of first" in one for one in validation.warnings)


def test_the_training_data_is_recognized_after_curation(
    bundle: Bundle,
    tiny_faces: FaceSet,
    curated: CuratedFaceSet,
    settings: Settings,
    make_record: Callable,
) -> None:
    record = make_record(dataset={"name": "tiny", "fingerprint": tiny_faces.fingerprint})
    trained = replace(bundle, record=record)

    def on(split: str) -> EvaluationResult:
        return evaluate_curated(trained, tiny_faces, curated, split, settings, dataset_name="tiny")

    assert any("validation images of the model" in warning for warning in on("validation").warnings)
    assert on("train").facts.is_training_data
