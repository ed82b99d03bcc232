"""``fer_core.analyze``: one call for paths, bytes and pixels."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fer_core
from fer_core.bundle import Bundle
from fer_core.settings import PROJECT_ROOT, Settings
from fer_core.vision.decode import decode_picture
from fer_core.vision.sample import sample_picture


@pytest.fixture
def default_bundle(bundle: Bundle, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    (settings.models_root / "default").write_text("small\n")
    for name in ("data", "runs", "models"):
        monkeypatch.setenv(f"FER_STUDIO_{name.upper()}", str(getattr(settings, f"{name}_root")))
    return bundle


def test_paths_bytes_and_pixels_give_the_same_faces(default_bundle: Bundle, tmp_path: Path) -> None:
    name, content = sample_picture()
    path = tmp_path / name
    path.write_bytes(content)
    pixels = decode_picture(content, name)
    found = [fer_core.analyze(one) for one in (path, str(path), content, pixels)]
    assert [len(faces) for faces in found] == [1] * 4
    assert len({(faces[0].box, faces[0].label, faces[0].score) for faces in found}) == 1
    assert found[0][0].label in default_bundle.record.labels
    assert len(fer_core.analyze(pixels.mean(axis=2).astype(np.uint8))) == 1


def test_model_detector_and_whole_can_be_named(default_bundle: Bundle) -> None:
    crop = np.zeros((60, 60, 3), np.uint8)
    by_path = fer_core.analyze(crop, model=str(default_bundle.folder), detector="haar", whole=True)
    by_name = fer_core.analyze(crop, model="small", whole=True)
    assert by_path[0].score == by_name[0].score
    assert fer_core.analyze(crop, whole=False) == []
    with pytest.raises(fer_core.InputError, match="no model 'other'"):
        fer_core.analyze(crop, model="other")
    with pytest.raises(fer_core.InputError, match="no detector 'other'"):
        fer_core.analyze(crop, detector="other")


def test_invalid_pictures_are_named(default_bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(fer_core.InputError, match=r"gone\.jpg cannot be read \(No such file"):
        fer_core.analyze(tmp_path / "gone.jpg")
    with pytest.raises(fer_core.InputError, match="The picture is not a picture of a supported"):
        fer_core.analyze(b"words")
    with pytest.raises(TypeError, match="Received: int"):
        fer_core.analyze(7)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="image should be uint8"):
        fer_core.analyze(np.zeros((4, 4, 3), np.float32))  # type: ignore[arg-type]


def test_the_model_is_loaded_once_and_again_after_it_was_replaced(
    default_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fer_core import analysis, predictor

    analysis._load_analyzer.cache_clear()
    loaded = []
    load = predictor.load_predictor

    def counted(bundle: Bundle) -> predictor.Predictor:
        loaded.append(bundle.name)
        return load(bundle)

    monkeypatch.setattr(predictor, "load_predictor", counted)
    for _ in range(3):
        fer_core.analyze(np.zeros((48, 48, 3), np.uint8))
    assert loaded == ["small"]
    (default_bundle.folder / "calibration.json").write_text('{"temperature": 2.0}')
    fer_core.analyze(np.zeros((48, 48, 3), np.uint8))
    assert loaded == ["small", "small"]


def test_importing_the_package_stays_cheap() -> None:
    code = (
        "import sys, fer_core; heavy = {'numpy', 'cv2', 'onnxruntime', 'pydantic', 'PIL'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules); fer_core.analyze;"
        "assert not {'cv2', 'onnxruntime'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, check=True)
    with pytest.raises(AttributeError, match="no attribute 'other'"):
        _ = fer_core.other
