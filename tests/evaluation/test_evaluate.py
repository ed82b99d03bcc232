"""Predictions of a split: caching, consistency with other pages, facts about the data."""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_core.bundle import Bundle, load_bundle, write_calibration, write_predictions
from fer_core.dataset.face_set import FaceSet
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.evaluation import cache
from fer_core.evaluation.evaluate import evaluate_split, evaluate_stored_predictions
from fer_core.evaluation.facts import FER2013_COUNTS, is_fer2013_split
from fer_core.evaluation.result import EvaluationResult
from fer_core.predictor import Predictor, load_predictor
from fer_core.settings import Settings
from fer_core.vision.analyzer import Analyzer
from fer_core.vision.haar import HaarDetector


class Counting:
    """A predictor that counts the images that it predicts."""

    def __init__(self, bundle: Bundle) -> None:
        self.folder = bundle.folder
        self._predictor = load_predictor(bundle)
        self.predicted = 0

    def probabilities(self, crops: Any, **options: Any) -> Any:
        self.predicted += len(crops)
        return self._predictor.probabilities(crops, **options)


@pytest.fixture
def counting(bundle: Bundle) -> Any:
    return Counting(bundle)


@pytest.fixture
def evaluated(bundle: Bundle, settings: Settings, counting: Any) -> Callable[..., EvaluationResult]:
    def call(faces: FaceSet, split: str = "validation", **options: Any) -> EvaluationResult:
        given = {"dataset_name": "tiny", "predictor": counting} | options
        return evaluate_split(given.pop("bundle", bundle), faces, split, settings, **given)

    return call


def test_a_split_is_predicted_once(
    evaluated: Callable, counting: Counting, tiny_faces: FaceSet
) -> None:
    first = evaluated(tiny_faces)
    assert counting.predicted == first.n == 21
    second = evaluated(tiny_faces)
    assert counting.predicted == 21
    np.testing.assert_array_equal(first.unscaled_probabilities, second.unscaled_probabilities)
    np.testing.assert_array_equal(first.rows, tiny_faces.rows("validation"))
    assert first.names == tuple(tiny_faces.names[row] for row in first.rows)
    assert evaluated(tiny_faces, "test").n == 14
    assert counting.predicted == 35


@pytest.mark.parametrize("change", ["pixels", "label", "curation", "input settings", "network"])
def test_changed_inputs_are_predicted_again(
    evaluated: Callable,
    counting: Counting,
    tiny_faces: FaceSet,
    linear_network: Callable,
    change: str,
) -> None:
    bundle = load_bundle(counting.folder)
    evaluated(tiny_faces)
    if change == "pixels":
        images = tiny_faces.images.copy()
        images[60, 0, 0] ^= 1
        evaluated(replace(tiny_faces, images=images))
    elif change == "label":
        labels = tiny_faces.labels.copy()
        labels[60] = (labels[60] + 1) % 7
        found = evaluated(replace(tiny_faces, labels=labels))
        np.testing.assert_array_equal(found.labels, labels[found.rows])
    elif change == "curation":
        evaluated(tiny_faces, curation="of today")
    elif change == "input settings":
        record = replace(bundle.record, flip_averaging=True)
        evaluated(tiny_faces, bundle=replace(bundle, record=record))
    else:
        network = linear_network()
        network.doc_string = "another"
        bundle.served_network.write_bytes(network.SerializeToString())
        evaluated(tiny_faces, bundle=load_bundle(bundle.folder))
    assert counting.predicted == 42


def test_a_new_temperature_applies_without_predicting_again(
    evaluated: Callable, counting: Counting, tiny_faces: FaceSet, bundle: Bundle
) -> None:
    first = evaluated(tiny_faces)
    write_calibration(bundle.folder, 3.0, "validation")
    second = evaluated(tiny_faces, bundle=load_bundle(bundle.folder))
    assert counting.predicted == 21
    assert second.temperature == 3.0
    assert second.confidence.mean() < first.confidence.mean()


@pytest.mark.parametrize("damage", ["truncated", "no archive", "other labels", "nan"])
def test_a_damaged_cache_file_is_recomputed(
    evaluated: Callable,
    counting: Counting,
    tiny_faces: FaceSet,
    settings: Settings,
    damage: str,
) -> None:
    whole = evaluated(tiny_faces)
    (path,) = (settings.cache_root / "evaluations").glob("*.npz")
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-200])
    elif damage == "no archive":
        path.write_bytes(b"nothing")
    elif damage == "other labels":
        np.savez(
            path,
            labels=whole.labels[::-1],
            raw_probabilities=whole.unscaled_probabilities,
            is_leaked=np.zeros(21, bool),
            is_near_copy=np.zeros(21, bool),
        )
    else:
        np.savez(
            path,
            labels=whole.labels,
            raw_probabilities=np.full_like(whole.unscaled_probabilities, np.nan),
            is_leaked=np.zeros(21, bool),
            is_near_copy=np.zeros(21, bool),
        )
    again = evaluated(tiny_faces)
    assert counting.predicted == 42
    np.testing.assert_array_equal(whole.unscaled_probabilities, again.unscaled_probabilities)
    evaluated(tiny_faces)
    assert counting.predicted == 42


def test_without_a_writable_cache_the_evaluation_works(
    evaluated: Callable, tiny_faces: FaceSet, settings: Settings
) -> None:
    settings.cache_root.parent.mkdir(parents=True)
    settings.cache_root.write_text("a file instead of a folder")
    assert evaluated(tiny_faces).n == 21


def test_the_least_recently_used_files_are_deleted(
    evaluated: Callable,
    counting: Counting,
    tiny_faces: FaceSet,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
) -> None:
    monkeypatch.setattr(cache, "MAX_FILES", 2)
    folder = settings.cache_root / "evaluations"
    for age, split in ((200, "validation"), (100, "test")):
        before = set(folder.iterdir()) if folder.is_dir() else set()
        evaluated(tiny_faces, split)
        (new,) = set(folder.iterdir()) - before
        os.utime(new, (time.time() - age, time.time() - age))
    evaluated(tiny_faces, "validation")  # now the most recently used
    evaluated(tiny_faces, "train")
    predicted = counting.predicted
    assert len(list((settings.cache_root / "evaluations").iterdir())) == 2
    evaluated(tiny_faces, "validation")
    assert counting.predicted == predicted
    evaluated(tiny_faces, "test")
    assert counting.predicted == predicted + 14


def test_concurrent_requests_predict_once(
    evaluated: Callable, counting: Counting, tiny_faces: FaceSet
) -> None:
    results: list[EvaluationResult] = []
    threads = [
        threading.Thread(target=lambda: results.append(evaluated(tiny_faces))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counting.predicted == 21
    assert len(results) == 4


def test_progress_is_reported_and_an_exception_stops_the_work(
    evaluated: Callable, counting: Counting, draw_faces: Callable[..., FaceSet]
) -> None:
    faces = draw_faces([0] * 300)
    reports: list[tuple[int, int]] = []
    evaluated(faces, "train", report=lambda done, total: reports.append((done, total)))
    assert reports == [(0, 300), (128, 300), (256, 300), (300, 300)]

    class StopError(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done:
            raise StopError

    with pytest.raises(StopError):
        evaluated(faces, "all", report=stop)
    # The stopped evaluation was not cached and released its lock.
    assert evaluated(faces, "all").n == 300
    assert counting.predicted == 300 + 128 + 300


def test_leaks_are_marked(evaluated: Callable, tiny_faces: FaceSet) -> None:
    images = tiny_faces.images.copy()
    images[58], images[80] = images[3], images[4]
    faces = replace(tiny_faces, images=images)
    assert evaluated(faces).is_leaked.nonzero()[0].tolist() == [2]
    assert evaluated(faces).near_duplicate_count == 0
    assert evaluated(faces, "test").is_leaked.nonzero()[0].tolist() == [3]
    # Training images are in train themselves.
    train = faces.rows("train").tolist()
    assert evaluated(faces, "all").is_leaked.nonzero()[0].tolist() == [*train, 58, 80]
    assert evaluated(faces, "train").leak_free_n == 0


def test_near_copies_are_leaks(evaluated: Callable, tiny_faces: FaceSet) -> None:
    generator = np.random.default_rng(1)
    photos = np.repeat(np.repeat(generator.integers(40, 200, (91, 6, 6)), 8, 1), 8, 2)
    images = photos.astype(np.uint8)
    images[58], images[60] = images[3] + 9, images[4]
    faces = replace(tiny_faces, images=images)
    for result in (evaluated(faces), evaluated(faces)):  # measured, then cached
        assert result.is_leaked.nonzero()[0].tolist() == [2, 4]
        assert result.is_near_duplicate.nonzero()[0].tolist() == [2]
        document = result.to_json()
        assert (document["leak_free"]["n"], document["leak_free"]["near_copies"]) == (19, 1)
    assert evaluated(faces, "train").near_duplicate_count == 0


def test_an_empty_or_unknown_split_is_an_input_error(
    evaluated: Callable, draw_faces: Callable[..., FaceSet]
) -> None:
    with pytest.raises(InputError, match="no test images"):
        evaluated(draw_faces([0, 1]), "test")
    with pytest.raises(InputError, match="no split 'val'"):
        evaluated(draw_faces([0, 1]), "val")


def test_nan_is_an_input_error_and_is_not_cached(
    bundle: Bundle, settings: Settings, tiny_faces: FaceSet
) -> None:
    broken = Predictor(bundle.record, lambda pixels: np.full((len(pixels), 7), np.nan, np.float32))
    with pytest.raises(InputError, match="not probabilities"):
        evaluate_split(bundle, tiny_faces, "test", settings, dataset_name="tiny", predictor=broken)
    assert not list(settings.cache_root.rglob("*.npz"))


def test_a_missing_network_is_an_input_error(
    evaluated: Callable, bundle: Bundle, tiny_faces: FaceSet
) -> None:
    evaluated(tiny_faces)
    bundle.served_network.unlink()
    with pytest.raises(InputError, match=r"no model\.onnx"):
        evaluated(tiny_faces)


def test_predictions_stored_in_a_bundle(bundle: Bundle, tiny_faces: FaceSet) -> None:
    rows = tiny_faces.rows("validation")
    raw = load_predictor(bundle).probabilities(tiny_faces.images[rows], calibrated=False)
    write_predictions(bundle.folder, tiny_faces.labels[rows], raw)
    write_calibration(bundle.folder, 2.0, "validation")
    result = evaluate_stored_predictions(load_bundle(bundle.folder))
    assert (result.n, result.dataset_name, result.is_leaked) == (21, None, None)
    expected = load_predictor(load_bundle(bundle.folder)).probabilities(tiny_faces.images[rows])
    np.testing.assert_array_equal(result.probabilities, expected)
    assert any("selected on these validation images" in text for text in result.facts.warnings)


@pytest.mark.parametrize("damage", ["missing", "garbage", "labels", "nan", "shape", "empty"])
def test_invalid_stored_predictions_are_an_input_error(bundle: Bundle, damage: str) -> None:
    labels, raw = np.zeros(3, np.int8), np.full((3, 7), 1 / 7, np.float32)
    path = bundle.folder / "predictions.npz"
    if damage == "garbage":
        path.write_bytes(b"PK\x03\x04 nothing")
    elif damage != "missing":
        if damage == "labels":
            labels[1] = 7
        elif damage == "nan":
            raw[2, 2] = np.nan
        elif damage == "shape":
            raw = raw[:, :5]
        else:
            labels, raw = labels[:0], raw[:0]
        write_predictions(bundle.folder, labels, raw)
    with pytest.raises(InputError, match=r"predictions\.npz") as caught:
        evaluate_stored_predictions(bundle)
    assert "choose a dataset" in str(caught.value)


def test_evaluate_analyze_and_live_agree_on_the_same_crop(
    settings: Settings, write_bundle_folder: Callable[..., Path], tiny_faces: FaceSet
) -> None:
    folder = write_bundle_folder(settings.models_root / "own", temperature=1.7, flip_averaging=True)
    bundle = load_bundle(folder)
    result = evaluate_split(bundle, tiny_faces, "validation", settings, dataset_name="tiny")
    # The live page opens its predictor in the same way and passes one batch per frame.
    predictor = load_predictor(bundle)
    analyzer = Analyzer(predictor, HaarDetector())
    for position in range(0, result.n, 5):
        crop = tiny_faces.images[result.rows[position]]
        (face,) = analyzer.analyze(np.repeat(crop[..., np.newaxis], 3, axis=2), as_one_face=True)
        np.testing.assert_array_equal(face.crop, crop)
        live = predictor.probabilities(crop[np.newaxis])[0]
        np.testing.assert_allclose(result.probabilities[position], face.probabilities, atol=1e-6)
        np.testing.assert_allclose(result.probabilities[position], live, atol=1e-6)


def test_a_bundle_without_hashes_recognizes_its_whole_dataset(
    bundle: Bundle, settings: Settings, tiny_faces: FaceSet
) -> None:
    record = replace(bundle.record, dataset={"name": "tiny", "fingerprint": tiny_faces.fingerprint})
    own = replace(bundle, record=record)

    def result(split: str) -> EvaluationResult:
        return evaluate_split(own, tiny_faces, split, settings, dataset_name="tiny")

    train, validation, test = result("train"), result("validation"), result("test")
    assert train.facts.is_training_data and "far too optimistic" in train.warnings[0]
    assert not validation.facts.is_training_data
    assert "selected on them" in validation.warnings[0]
    assert test.facts.is_test and "on them once" in test.warnings[0]
    assert test.seen is not None and test.seen.is_unseen.all()
    everything = result("all")
    assert everything.facts.is_test and everything.facts.is_training_data
    assert len(everything.warnings) == 3


def test_facts_about_other_data(
    evaluated: Callable, bundle: Bundle, tiny_faces: FaceSet, draw_faces: Callable[..., FaceSet]
) -> None:
    unknown = evaluated(tiny_faces)
    assert unknown.seen is None and unknown.to_json()["seen"] is None
    assert any("its record does not list the images" in text for text in unknown.warnings)
    imported = replace(bundle, record=replace(bundle.record, recipe=None))
    warnings = evaluated(tiny_faces, bundle=imported).facts.warnings
    assert any("imported" in text and "unknown" in text for text in warnings)
    demo = evaluated(tiny_faces, is_demo_data=True).facts
    assert demo.is_demo and "drawn faces" in demo.warnings[0]
    single = evaluated(draw_faces([3]), "train").facts.warnings
    assert any("single image" in text for text in single)
    assert any(
        "do not include angry, disgust, fear, sad, surprise, neutral" in text for text in single
    )


def test_fer2013_is_recognized_by_its_class_counts() -> None:
    labels = np.repeat(np.arange(7), FER2013_COUNTS["validation"]).astype(np.int8)
    assert is_fer2013_split(labels, "validation", EMOTIONS)
    assert not is_fer2013_split(labels, "test", EMOTIONS)
    assert not is_fer2013_split(labels[1:], "validation", EMOTIONS)


@pytest.mark.soak
def test_the_real_dataset_is_recognized_as_fer2013(real_faces: FaceSet) -> None:
    for split in ("train", "validation"):
        assert is_fer2013_split(real_faces.labels[real_faces.rows(split)], split, EMOTIONS)


def test_shapes_are_checked(make_result: Callable[..., EvaluationResult]) -> None:
    with pytest.raises(ValueError, match="unscaled_probabilities should be"):
        make_result([0, 1], np.full((3, 7), 1 / 7))
    with pytest.raises(ValueError, match="rows and names should have 2 entries"):
        make_result([0, 1], np.full((2, 7), 1 / 7), names=("one",))
