"""A model on what the curation leaves: its own figures, named as such."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from fer_core.bundle import Bundle
from fer_core.dataset.curation import CuratedFaceSet, Curation, apply_curation, entries_for
from fer_core.dataset.face_set import FaceSet
from fer_core.emotions import EMOTIONS
from fer_core.evaluation.curated import curation_in_words, evaluate_curated
from fer_core.evaluation.facts import facts_on_dataset
from fer_core.evaluation.result import evaluate_split
from fer_core.settings import Settings


@pytest.fixture
def curated(tiny_faces: FaceSet) -> CuratedFaceSet:
    """Without two train images and the first of validation; the second has the next label."""
    first, second = tiny_faces.rows("validation")[:2]
    other = EMOTIONS[(tiny_faces.labels[second] + 1) % 7]
    dropped = entries_for(tiny_faces, [0, 1, first], "drop", reason="none", source="test")
    moved = entries_for(tiny_faces, [second], "relabel", label=other, reason="it", source="test")
    return apply_curation(tiny_faces, Curation((*dropped, *moved)))


def test_what_was_dropped_is_left_out_and_new_labels_count(
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
    np.testing.assert_allclose(result.raw_probabilities, whole.raw_probabilities[1:], atol=1e-6)
    assert result.labels[0] == (whole.labels[1] + 1) % 7
    np.testing.assert_array_equal(result.labels[1:], whole.labels[2:])


def test_the_figures_say_first_that_they_are_curated(
    bundle: Bundle, tiny_faces: FaceSet, curated: CuratedFaceSet, settings: Settings
) -> None:
    result = evaluate_curated(
        bundle, tiny_faces, curated, "validation", settings, dataset_name="tiny"
    )
    assert result.facts.warnings[0] == (
        "The curation is heeded: of the validation images 1 is left out and 1 has a new label, so "
        "that these figures cannot be compared with those on the data as published."
    )


def test_the_words_are_about_the_split_that_is_evaluated(curated: CuratedFaceSet) -> None:
    assert "of the train images 2 are left out and 0 have" in curation_in_words(curated, "train")
    assert "of the images 3 are left out and 1 has" in curation_in_words(curated, "all")
    assert curation_in_words(curated, "test") == (
        "The curation is heeded; it changes none of the test images."
    )


def test_a_model_still_knows_the_data_of_its_training(
    bundle: Bundle,
    tiny_faces: FaceSet,
    curated: CuratedFaceSet,
    settings: Settings,
    make_record: Callable,
) -> None:
    record = make_record(dataset={"name": "tiny", "fingerprint": tiny_faces.fingerprint})
    trained = replace(bundle, record=record)
    chosen = "chosen on these validation images"
    whole = facts_on_dataset(trained, tiny_faces, "validation", is_demo_data=False)
    assert any(chosen in warning for warning in whole.warnings)
    result = evaluate_curated(
        trained, tiny_faces, curated, "validation", settings, dataset_name="tiny"
    )
    assert any(chosen in warning for warning in result.facts.warnings)
    assert not any("other data" in warning for warning in result.facts.warnings)
    assert evaluate_curated(
        trained, tiny_faces, curated, "train", settings, dataset_name="tiny"
    ).facts.is_training_data
