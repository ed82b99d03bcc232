"""``calibration.json``: what is written is read, and what is out of range is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from fer_core.bundle import Bundle, load_bundle, write_calibration
from fer_core.calibration import Calibration, read_calibration
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.predictor import load_predictor

PRIOR = (0.1, 0.02, 0.03, 0.3, 0.15, 0.1, 0.3)
WHOLE = Calibration(0.9, PRIOR, 0.25, {"80": 0.0, "90": 0.71, "99": None})


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_calibration(tmp_path, WHOLE, "validation", {"images": 3372})
    assert read_calibration(tmp_path / "calibration.json", "model") == WHOLE
    document = json.loads((tmp_path / "calibration.json").read_text())
    assert document["class_prior"]["happy"] == 0.3
    assert (document["prior_exponent"], document["images"]) == (0.25, 3372)


def test_files_of_earlier_versions_are_read(tmp_path: Path) -> None:
    assert read_calibration(tmp_path / "calibration.json", "model") == Calibration()
    (tmp_path / "calibration.json").write_text('{"temperature": 1.5, "fitted_on": "validation"}')
    assert read_calibration(tmp_path / "calibration.json", "model") == Calibration(1.5)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"temperature": 1, "class_prior": {"happy": 1}}, "is not valid"),
        ({"temperature": 1, "class_prior": [1]}, "is not valid"),
        ({"temperature": 1, "class_prior": dict.fromkeys(EMOTIONS, 1)}, "should sum to 1"),
        (
            {"temperature": 1, "class_prior": dict.fromkeys(EMOTIONS, 1 / 7), "prior_exponent": 2},
            "should be 0 to 1",
        ),
        ({"temperature": 1, "confidence_thresholds": [0.5]}, "is not valid"),
        ({"temperature": 1, "confidence_thresholds": {"80": 1.5}}, "80: 1.5; expected"),
        ({"temperature": 1, "confidence_thresholds": {"80": float("nan")}}, "80: nan; expected"),
        ({"temperature": 1, "confidence_thresholds": {"high": 0.5}}, "high: 0.5; expected"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, document: object, message: str) -> None:
    (tmp_path / "calibration.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match=message):
        read_calibration(tmp_path / "calibration.json", "model")


@pytest.mark.parametrize(
    ("thresholds", "minimum"),
    [
        ({}, 0.4),  # not calibrated
        ({"80": 0.0, "90": 0.62}, 0.4),  # all predictions together are that accurate
        ({"80": 0.57}, 0.57),
        ({"80": 0.97}, 0.9),
        ({"80": None, "90": None}, 0.9),  # reached at no threshold
    ],
)
def test_the_minimum_confidence_reaches_80_percent(
    thresholds: dict[str, float | None], minimum: float
) -> None:
    assert Calibration(thresholds=thresholds).minimum_confidence == minimum


def test_emphasis_on_rare_emotions() -> None:
    assert [WHOLE.exponent(one) for one in ("none", "default", "strong")] == [0, 0.25, 0.5]
    assert Calibration(1.0, PRIOR, 0.9).exponent("strong") == 1
    assert Calibration(1.0).exponent("strong") == 0


def test_the_predictor_adjusts_before_it_scales(bundle: Bundle) -> None:
    faces = np.random.default_rng(0).integers(0, 256, (3, 48, 48), dtype=np.uint8)
    raw = load_predictor(bundle).probabilities(faces, calibrated=False)
    write_calibration(bundle.folder, WHOLE, "validation")
    calibrated = load_bundle(bundle.folder)
    adjusted = raw.astype(np.float64) / np.array(PRIOR) ** 0.25
    adjusted /= adjusted.sum(axis=1, keepdims=True)
    expected = adjusted ** (1 / 0.9)
    expected /= expected.sum(axis=1, keepdims=True)
    found = load_predictor(calibrated).probabilities(faces)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_array_equal(
        load_predictor(calibrated).probabilities(faces, calibrated=False), raw
    )
    plain = load_predictor(calibrated, emphasis="none").probabilities(faces)
    expected = raw ** (1 / 0.9)
    np.testing.assert_allclose(plain, expected / expected.sum(axis=1, keepdims=True), rtol=1e-5)
    strong = load_predictor(calibrated, emphasis="strong").probabilities(faces)
    assert (strong[:, 1] > found[:, 1]).all() and (found[:, 1] > plain[:, 1]).all()
