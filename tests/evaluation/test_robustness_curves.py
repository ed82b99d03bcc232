"""Image corruptions and the robustness curves measured with them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fer_core.bundle import BundleRecord
from fer_core.dataset.face_set import FaceSet
from fer_core.errors import InputError
from fer_core.evaluation.corruptions import CORRUPTIONS, corrupted
from fer_core.evaluation.result import EvaluationResult
from fer_core.evaluation.robustness import measure_robustness
from fer_core.metrics import proportion_estimate
from fer_core.predictor import Predictor


@pytest.fixture
def faces(draw_faces: Callable[..., FaceSet]) -> FaceSet:
    return draw_faces([0, 1] * 10)


@pytest.fixture
def by_light(make_record: Callable[..., BundleRecord]) -> Predictor:
    """Predicts "disgust" for bright images and "angry" for dark ones."""

    def network(pixels: Any) -> Any:
        is_bright = pixels.mean(axis=(1, 2, 3)) > 0.35
        return np.eye(7, dtype=np.float32)[is_bright.astype(int)]

    return Predictor(make_record(), network)


@pytest.fixture
def evaluated(
    faces: FaceSet, by_light: Predictor, make_result: Callable[..., EvaluationResult]
) -> EvaluationResult:
    faces.images[:] = np.where(faces.labels[:, None, None] == 1, 120, 60)
    return make_result(faces.labels, by_light.probabilities(faces.images))


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda one: one.name)
def test_corruptions_grow_with_strength_and_are_deterministic(corruption: Any) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (6, 12, 12), dtype=np.uint8)
    images = np.repeat(np.repeat(noise, 4, axis=1), 4, axis=2)
    before = images.copy()
    changes = []
    for strength in corruption.strengths:
        changed = corrupted(images, corruption.name, strength)
        assert changed.shape == images.shape and changed.dtype == np.uint8
        np.testing.assert_array_equal(changed, corrupted(images, corruption.name, strength))
        changes.append(np.abs(changed.astype(int) - images).mean())
    np.testing.assert_array_equal(images, before)
    assert 0 < changes[0] < changes[-1]
    assert len(set(corruption.strengths)) == 5


def test_corruptions_by_hand() -> None:
    flat = np.full((1, 48, 48), 100, np.uint8)
    assert (corrupted(flat, "darkness", 60) == 40).all()
    for name in ("blur", "rotation", "shift", "scale", "occlusion"):
        # These do not change a uniform image.
        assert (corrupted(flat, name, 8) == 100).all()
    assert corrupted(flat, "noise", 20).std() == pytest.approx(20, rel=0.1)
    dot = np.zeros((1, 48, 48), np.uint8)
    dot[0, 22:26, 22:26] = 255
    moved = corrupted(dot, "shift", 8)[0].astype(float)
    rows, columns = np.indices((48, 48))
    center = np.array([(moved * rows).sum(), (moved * columns).sum()]) / moved.sum()
    assert np.hypot(*(center - 23.5)) == pytest.approx(8, abs=0.5)
    bright = np.full((1, 48, 48), 0, np.uint8)
    bright[:, :24] = 200
    covered = corrupted(bright, "occlusion", 20)[0]
    assert ((covered == 100).sum()) == 400
    assert not np.array_equal(
        corrupted(bright, "occlusion", 20), corrupted(bright, "occlusion", 20, seed=1)
    )


def test_a_curve_by_hand(evaluated: EvaluationResult, by_light: Predictor, faces: FaceSet) -> None:
    (curve,) = measure_robustness(by_light, evaluated, faces, names=["darkness"])
    # 120 of 255 is bright (0.47); 20 % darker (0.38) is still bright, 40 % darker is not.
    assert [(point.strength, point.accuracy.value) for point in curve.points] == [
        (0, 1.0),
        (20, 1.0),
        (40, 0.5),
        (60, 0.5),
        (80, 0.5),
        (90, 0.5),
    ]
    assert curve.points[2].accuracy == proportion_estimate(10, 20)
    assert (curve.n, curve.title) == (20, "Darkness")


def test_a_sample_is_measured_and_progress_is_reported(
    evaluated: EvaluationResult, by_light: Predictor, faces: FaceSet
) -> None:
    reports: list[tuple[int, int]] = []
    curves = measure_robustness(
        by_light,
        evaluated,
        faces,
        max_images=6,
        report=lambda done, total: reports.append((done, total)),
    )
    assert [curve.name for curve in curves] == [one.name for one in CORRUPTIONS]
    assert all(curve.n == 6 for curve in curves)
    assert reports[0] == (0, 240) and reports[-1] == (240, 240)
    assert curves == measure_robustness(by_light, evaluated, faces, max_images=6)


def test_an_unknown_corruption_is_an_input_error(
    evaluated: EvaluationResult, by_light: Predictor, faces: FaceSet
) -> None:
    with pytest.raises(InputError, match="Unknown corruption 'fog'; choose one of blur"):
        measure_robustness(by_light, evaluated, faces, names=["fog"])
