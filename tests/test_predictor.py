"""The predictor: scaling, label order, flip averaging, temperature, invalid networks."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from fer_core.bundle import Bundle, BundleRecord, load_bundle
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.predictor import Predictor, load_predictor
from fer_core.settings import PROJECT_ROOT

Record = Callable[..., BundleRecord]
Rows = NDArray[np.float32]


class KnownNetwork:
    """Returns given rows and records its inputs."""

    def __init__(self, answer: Callable[[Rows], Rows]) -> None:
        self._answer = answer
        self.batches: list[Rows] = []

    def __call__(self, pixels: Rows) -> Rows:
        self.batches.append(pixels)
        return self._answer(pixels)


def row(*leading: float) -> Rows:
    """Seven probabilities: the given ones first, the rest shared equally."""
    rest = (1 - sum(leading)) / (7 - len(leading))
    return np.array([*leading, *[rest] * (7 - len(leading))], np.float32)


def same_for_all(values: Rows) -> KnownNetwork:
    return KnownNetwork(lambda pixels: np.tile(values, (len(pixels), 1)))


def test_gray_values_are_scaled_as_recorded(make_record: Record) -> None:
    network = same_for_all(row(0.4))
    crops = np.array([0, 51, 255], np.uint8)[:, None, None] * np.ones((1, 48, 48), np.uint8)
    Predictor(make_record(), network).probabilities(crops)
    (pixels,) = network.batches
    assert pixels.shape == (3, 48, 48, 1)
    assert pixels.dtype == np.float32
    np.testing.assert_allclose(pixels[:, 0, 0, 0], [0, 0.2, 1])
    Predictor(make_record(input_scale=1.0), network).probabilities(crops)
    assert network.batches[1].max() == 255


def test_outputs_are_reordered_from_the_label_order_of_the_bundle(make_record: Record) -> None:
    labels = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear")
    values = np.array([0.30, 0.25, 0.15, 0.12, 0.10, 0.05, 0.03], np.float32)
    predictor = Predictor(make_record(labels=labels, recipe=None), same_for_all(values))
    (result,) = predictor.probabilities(np.zeros((1, 48, 48), np.uint8))
    assert dict(zip(EMOTIONS, result.tolist(), strict=True)) == pytest.approx(
        {
            "angry": 0.10,
            "disgust": 0.05,
            "fear": 0.03,
            "happy": 0.25,
            "sad": 0.12,
            "surprise": 0.15,
            "neutral": 0.30,
        }
    )


def test_flip_averaging_is_the_mean_over_the_face_and_its_mirror_image(
    make_record: Record,
) -> None:
    # Angry where the left edge is bright, disgust where it is dark.
    network = KnownNetwork(
        lambda pixels: np.where(pixels[:, 0, 0] > 0.5, row(0.8, 0.1), row(0.2, 0.6))
    )
    crop = np.zeros((48, 48), np.uint8)
    crop[:, 0] = 255
    crops = np.stack([crop, np.zeros_like(crop)])
    result = Predictor(make_record(flip_averaging=True), network).probabilities(crops)
    np.testing.assert_allclose(result[0, :2], [0.5, 0.35], atol=1e-6)
    np.testing.assert_allclose(result[1, :2], [0.2, 0.6], atol=1e-6)
    (pixels,) = network.batches  # one call for both
    np.testing.assert_array_equal(pixels[2:], pixels[:2, :, ::-1])
    unaveraged = Predictor(make_record(), network).probabilities(crops)
    np.testing.assert_allclose(unaveraged[0, :2], [0.8, 0.1], atol=1e-6)


def test_temperature_is_applied_to_the_mean_unless_switched_off(make_record: Record) -> None:
    predictor = Predictor(make_record(), same_for_all(row(0.64, 0.16)), temperature=2.0)
    crops = np.zeros((1, 48, 48), np.uint8)
    roots = np.sqrt(row(0.64, 0.16))
    np.testing.assert_allclose(predictor.probabilities(crops)[0], roots / roots.sum(), atol=1e-6)
    np.testing.assert_allclose(
        predictor.probabilities(crops, calibrated=False)[0], row(0.64, 0.16), atol=1e-6
    )


def test_many_crops_are_predicted_in_batches_and_keep_their_order(make_record: Record) -> None:
    def answer(pixels: Rows) -> Rows:
        share = pixels[:, 0, 0] / 2
        return np.concatenate([share, np.repeat((1 - share) / 6, 6, axis=1)], axis=1)

    network = KnownNetwork(answer)
    crops = np.arange(200, dtype=np.uint8)[:, None, None] * np.ones((1, 48, 48), np.uint8)
    result = Predictor(make_record(), network).probabilities(crops)
    np.testing.assert_allclose(result[:, 0], np.arange(200) / 255 / 2, atol=1e-5)
    assert 1 < len(network.batches) < 20
    assert sum(len(batch) for batch in network.batches) == 200


def test_without_crops_there_are_no_rows(make_record: Record) -> None:
    network = same_for_all(row(0.5))
    result = Predictor(make_record(), network).probabilities(np.empty((0, 48, 48), np.uint8))
    assert result.shape == (0, 7)
    assert network.batches == []


@pytest.mark.parametrize(
    "crops",
    [
        np.zeros((48, 48), np.uint8),
        np.zeros((1, 48, 47), np.uint8),
        np.zeros((1, 48, 48, 1), np.uint8),
        np.zeros((1, 48, 48), np.float32),
    ],
)
def test_another_shape_or_type_is_a_value_error(
    make_record: Record, crops: NDArray[np.uint8]
) -> None:
    with pytest.raises(ValueError, match=r"crops should be uint8 \[n, 48, 48\]. Received"):
        Predictor(make_record(), same_for_all(row(0.5))).probabilities(crops)


@pytest.mark.parametrize(
    "values",
    [
        np.full(7, np.nan, np.float32),
        np.array([np.inf, 0, 0, 0, 0, 0, 0], np.float32),
        np.array([-3, 5, 1, 0, 2, 1, 0], np.float32),  # logits of a network without softmax
        np.full(7, 0.5, np.float32),
    ],
)
def test_values_that_are_not_probabilities_are_an_input_error(
    make_record: Record, values: Rows
) -> None:
    predictor = Predictor(make_record(), same_for_all(values))
    with pytest.raises(InputError, match="The model returns values that are not probabilities"):
        predictor.probabilities(np.zeros((1, 48, 48), np.uint8))


def test_the_served_network_computes_its_formula(bundle: Bundle) -> None:
    crop = np.zeros((48, 48), np.uint8)
    crop[:, :24] = 255
    (result,) = load_predictor(bundle, threads=1).probabilities(crop[np.newaxis])
    logits = np.linspace(-2, 2, 14).reshape(2, 7)[0] ** 3
    np.testing.assert_allclose(result, np.exp(logits) / np.exp(logits).sum(), atol=1e-6)
    assert result.dtype == np.float32


def test_temperature_and_flip_come_from_the_bundle(
    tmp_path: Path, write_bundle_folder: Callable[..., Path], bundle: Bundle
) -> None:
    averaged = load_bundle(
        write_bundle_folder(tmp_path / "averaged", temperature=1.5, flip_averaging=True)
    )
    crops = np.random.default_rng(0).integers(0, 256, (4, 48, 48)).astype(np.uint8)
    predictor = load_predictor(averaged)
    assert predictor.temperature == 1.5
    np.testing.assert_allclose(
        predictor.probabilities(crops), predictor.probabilities(crops[:, :, ::-1]), atol=1e-6
    )
    plain = load_predictor(bundle)
    np.testing.assert_allclose(
        predictor.probabilities(crops, calibrated=False),
        (plain.probabilities(crops) + plain.probabilities(crops[:, :, ::-1])) / 2,
        atol=1e-6,
    )


def test_a_missing_network_names_the_export_command(bundle: Bundle) -> None:
    bundle.served_network.unlink()
    with pytest.raises(InputError, match=r"'small' has no model.onnx; .*models export small"):
        load_predictor(bundle)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a zip", bytes(1000), b"half"])
def test_a_damaged_network_is_a_one_line_input_error(bundle: Bundle, content: bytes) -> None:
    whole = bundle.served_network.read_bytes()
    bundle.served_network.write_bytes(whole[: len(whole) // 2] if content == b"half" else content)
    with pytest.raises(InputError, match=r"'small' is damaged: .*model.onnx") as caught:
        load_predictor(bundle)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "shape", [{"classes": 8}, {"classes": 5}, {"size": 64}, {"batch": 2}], ids=str
)
def test_a_network_of_another_shape_is_an_input_error(
    bundle: Bundle, linear_network: Callable[..., onnx.ModelProto], shape: dict[str, int]
) -> None:
    onnx.save(linear_network(**shape), bundle.served_network)
    with pytest.raises(InputError, match=r"model\.onnx has input .* expected: \[n, 48, 48, 1\]"):
        load_predictor(bundle)


def test_serving_imports_neither_a_training_library_nor_streamlit() -> None:
    program = (
        "import sys\n"
        "from fer_core.bundle import find_bundle\n"
        "from fer_core.predictor import load_predictor\n"
        "from fer_core.settings import load_settings\n"
        "load_predictor(find_bundle(None, load_settings()))\n"
        "print('pydantic' in sys.modules)\n"
        "import fer_core.evaluation.evaluate\n"
        "heavy = {'tensorflow', 'keras', 'jax', 'torch', 'streamlit', 'sklearn', 'scipy'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert answer.stdout.split("\n")[:2] == ["False", "[]"]


def test_crops_of_the_networks_own_size_are_not_resized(make_record: Record) -> None:
    network = same_for_all(row(0.5))
    predictor = Predictor(make_record(input_shape=(96, 96, 1)), network)
    assert (predictor.input_shape, predictor.classes) == ((96, 96, 1), EMOTIONS)
    crops = np.random.default_rng(0).integers(0, 256, (2, 96, 96), np.uint8)
    predictor.probabilities(crops)
    np.testing.assert_allclose(network.batches[0][..., 0] * 255, crops, atol=1e-3)


def test_a_network_with_color_input_takes_rgb_and_gray_crops(make_record: Record) -> None:
    network = same_for_all(row(0.5))
    predictor = Predictor(make_record(input_shape=(64, 64, 3)), network)
    crops = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    predictor.probabilities(crops)
    np.testing.assert_allclose(network.batches[0] * 255, crops, atol=1e-3)
    predictor.probabilities(np.full((1, 48, 48), 51, np.uint8))
    np.testing.assert_allclose(network.batches[1], np.full((1, 64, 64, 3), 0.2), atol=1e-6)
    with pytest.raises(ValueError, match=r"\[n, 48, 48\] or \[n, 64, 64\] or \[n, 64, 64, 3\]"):
        predictor.probabilities(np.zeros((1, 48, 48, 3), np.uint8))
