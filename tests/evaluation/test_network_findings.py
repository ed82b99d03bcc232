"""Findings that need a network: features, doubtful labels, non-faces, the embedding."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from fer_core.bundle import Bundle, BundleRecord
from fer_core.dataset.duplicates import content_keys
from fer_core.dataset.face_set import FaceSet
from fer_core.errors import InputError
from fer_core.evaluation.embedding import embed
from fer_core.evaluation.features import MAX_FEATURES, FaceFeatures, bundle_features
from fer_core.evaluation.label_candidates import (
    find_label_candidates,
    find_non_faces,
    principal_components,
)
from fer_core.image_hashes import ImageHashes
from fer_core.predictor import load_predictor
from fer_core.settings import PROJECT_ROOT


@pytest.fixture(scope="module")
def faces(draw_faces: Callable[..., FaceSet]) -> FaceSet:
    """210 drawn training images and 70 validation images with well separated classes."""
    splits = ["train"] * 210 + ["validation"] * 70
    return draw_faces([number % 7 for number in range(280)], splits=splits)


@pytest.fixture(scope="module")
def features(faces: FaceSet) -> FaceFeatures:
    """Features of a model that sees coarse pixels."""
    coarse = faces.images.reshape(-1, 12, 4, 12, 4).mean(axis=(2, 4)).reshape(len(faces), -1)
    bright = faces.images.reshape(-1, 3, 16, 3, 16).mean(axis=(2, 4)).reshape(len(faces), -1)
    scores = np.exp((bright[:, :7] - bright[:, :7].max(axis=1, keepdims=True)) / 10)
    probabilities = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
    return FaceFeatures(coarse.astype(np.float32), probabilities, "layer", "key")


def test_features_are_the_input_of_the_last_layer(bundle: Bundle, faces: FaceSet) -> None:
    found = bundle_features(bundle, faces)
    assert found.tensor_name == "flat"
    assert found.values.shape == (280, MAX_FEATURES)
    expected = load_predictor(bundle).probabilities(faces.images, calibrated=False)
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-6)
    # The projection keeps distances nearly as they are.
    pixels = faces.images.reshape(280, -1) / 255
    true = np.linalg.norm(pixels[:50] - pixels[50:100], axis=1)
    kept = np.linalg.norm(found.values[:50] - found.values[50:100], axis=1)
    np.testing.assert_allclose(kept, true, rtol=0.2)


def convolution() -> onnx.ModelProto:
    """A network of two convolutions followed by a mean."""
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    first = np.zeros((4, 1, 1, 1), np.float32)
    first[:, 0, 0, 0] = [1, 2, 3, 4]
    last = np.random.default_rng(0).normal(size=(7, 4, 1, 1)).astype(np.float32)
    nodes = [
        helper.make_node("Transpose", ["pixels"], ["turned"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["turned", "first"], ["seen"]),
        helper.make_node("Conv", ["seen", "last"], ["maps"]),
        helper.make_node("GlobalAveragePool", ["maps"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    graph = helper.make_graph(
        nodes,
        "convolution",
        [helper.make_tensor_value_info("pixels", onnx.TensorProto.FLOAT, [1, 48, 48, 1])],
        [helper.make_tensor_value_info("probabilities", onnx.TensorProto.FLOAT, [1, 7])],
        [numpy_helper.from_array(first, "first"), numpy_helper.from_array(last, "last")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def test_a_network_ending_in_a_convolution_with_batch_size_1(
    bundle: Bundle, faces: FaceSet
) -> None:
    onnx.save(convolution(), bundle.served_network)
    found = bundle_features(bundle, faces.subset(np.arange(3)))
    assert found.tensor_name == "seen"
    means = faces.images[:3].mean(axis=(1, 2)) / 255
    np.testing.assert_allclose(found.values, means[:, None] * [1, 2, 3, 4], rtol=1e-4)


def test_a_network_without_such_a_layer_is_an_input_error(bundle: Bundle, faces: FaceSet) -> None:
    helper = onnx.helper
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["pixels"], ["logits"], axes=[1, 3], keepdims=0),
            helper.make_node("Softmax", ["logits"], ["probabilities"]),
        ],
        "bare",
        [helper.make_tensor_value_info("pixels", onnx.TensorProto.FLOAT, ["n", 48, 48, 1])],
        [helper.make_tensor_value_info("probabilities", onnx.TensorProto.FLOAT, ["n", 48])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, bundle.served_network)
    with pytest.raises(
        InputError, match=r"'small' cannot be used here.*last layer .* cannot be determined"
    ):
        bundle_features(bundle, faces)


def test_a_missing_or_damaged_network_is_an_input_error(bundle: Bundle, faces: FaceSet) -> None:
    bundle.served_network.write_bytes(b"torn")
    with pytest.raises(InputError, match="damaged"):
        bundle_features(bundle, faces)
    bundle.served_network.unlink()
    with pytest.raises(InputError, match=r"has no model\.onnx"):
        bundle_features(bundle, faces)


def test_features_are_cached_for_dataset_and_network(
    bundle: Bundle,
    faces: FaceSet,
    tmp_path: Path,
    linear_network: Callable[..., onnx.ModelProto],
) -> None:
    (tmp_path / "dataset.json").write_text("{}")
    few = faces.subset(np.arange(5))
    seen: list[int] = []
    first = bundle_features(bundle, few, folder=tmp_path, report=lambda done, _: seen.append(done))
    assert seen == [5]
    again = bundle_features(bundle, few, folder=tmp_path, report=lambda done, _: seen.append(done))
    assert seen == [5]
    np.testing.assert_array_equal(again.values, first.values)
    network = linear_network()
    network.doc_string = "another"
    onnx.save(network, bundle.served_network)
    assert bundle_features(bundle, few, folder=tmp_path).content_key != first.content_key


def trained_on(make_record: Callable[..., BundleRecord], faces: FaceSet, **config: Any) -> Any:
    return make_record(dataset={"name": "x", "fingerprint": faces.fingerprint}, config=config)


def mislabelled(faces: FaceSet, rows: list[int]) -> FaceSet:
    labels = faces.labels.copy()
    labels[rows] = (labels[rows] + 1) % 7
    return replace(faces, labels=labels)


def test_wrong_labels_in_train_are_found_out_of_fold(
    faces: FaceSet, features: FaceFeatures, make_record: Callable[..., BundleRecord]
) -> None:
    wrong = [3, 40, 77, 120]
    relabeled = mislabelled(faces, wrong)
    steps: list[tuple[int, int]] = []
    finding = find_label_candidates(
        relabeled,
        features,
        trained_on(make_record, relabeled),
        "train",
        report=lambda done, total: steps.append((done, total)),
    )
    # How many are named is confident learning's estimate, which is low where few are wrong.
    assert 2 <= len(set(finding.rows.tolist()) & set(wrong)) == len(finding)
    np.testing.assert_array_equal(finding.suggested, faces.labels[finding.rows])
    assert "Out-of-fold" in finding.notes[0]
    assert "learned from these images and their labels" in finding.notes[1]
    assert "not trained" not in finding.explanation
    assert steps == [(step, 6) for step in range(1, 7)]


def test_validation_uses_the_predictions_of_the_model(
    faces: FaceSet, features: FaceFeatures, make_record: Callable[..., BundleRecord]
) -> None:
    relabeled = mislabelled(faces, [215, 250])
    record = trained_on(make_record, relabeled, exclude_leaks=True)
    finding = find_label_candidates(relabeled, features, record, "validation")
    assert len(finding)
    assert set(finding.rows.tolist()) <= {215, 250}
    np.testing.assert_array_equal(finding.suggested, faces.labels[finding.rows])
    assert "was not trained on these validation images" in finding.notes[0]
    assert "selected on these images" in finding.notes[1]
    assert "not trained on these images" in finding.explanation


def test_images_that_also_appear_in_train_are_left_out(
    faces: FaceSet, features: FaceFeatures, make_record: Callable[..., BundleRecord]
) -> None:
    relabeled = mislabelled(faces, [215, 250])
    images = relabeled.images.copy()
    images[0] = images[215]
    leaking = replace(relabeled, images=images)
    finding = find_label_candidates(
        leaking, features, trained_on(make_record, leaking), "validation"
    )
    assert finding.rows.tolist() == [250]
    assert finding.notes[1] == "1 image is left out, because the model was trained on it."


@pytest.mark.parametrize("changes", [{}, {"recipe": None}], ids=["other data", "made elsewhere"])
def test_predictions_on_possible_training_images_are_not_used(
    faces: FaceSet,
    features: FaceFeatures,
    make_record: Callable[..., BundleRecord],
    changes: dict[str, Any],
) -> None:
    record = make_record(**changes)
    wrong = [*range(212, 258, 5)]
    relabeled = mislabelled(faces, wrong)
    # Its probabilities would hide what is wrong.
    sure = np.eye(7, dtype=np.float32)[relabeled.labels]
    finding = find_label_candidates(
        relabeled, replace(features, probabilities=sure), record, "validation"
    )
    assert len(finding)
    assert set(finding.rows.tolist()) <= set(wrong)
    assert "may have been trained on these images without a record of it" in finding.notes[1]


def test_recorded_images_decide_whether_the_predictions_are_used(
    faces: FaceSet, features: FaceFeatures, make_record: Callable[..., BundleRecord]
) -> None:
    relabeled = mislabelled(faces, [215, 250])
    keys = content_keys(relabeled.images)
    none = np.zeros(0, np.int64)

    def notes(hashes: ImageHashes) -> tuple[str, ...]:
        # The fingerprint of the record is that of other data: only the hashes are compared.
        record = make_record()
        return find_label_candidates(relabeled, features, record, "validation", hashes=hashes).notes

    assert notes(ImageHashes(none, none)) == (
        "Predicted by the model, which was not trained on these validation images.",
    )
    validation = relabeled.rows("validation")
    assert "selected on these images" in notes(ImageHashes(none, keys[validation[:1]]))[1]
    assert "2 images are left out" in notes(ImageHashes(keys[validation[:2]], none))[1]
    assert "learned from these images" in notes(ImageHashes(keys[validation], none))[1]
    assert "without a record of it" in notes(ImageHashes(none, none, is_complete=False))[1]


def test_too_few_images_are_an_input_error(
    faces: FaceSet, features: FaceFeatures, make_record: Callable[..., BundleRecord]
) -> None:
    with pytest.raises(InputError, match="too few images"):
        find_label_candidates(faces, features, make_record(), "test")
    with pytest.raises(InputError, match="in a single split"):
        find_label_candidates(faces, features, make_record(), "all")


def test_outliers_are_ranked_first(faces: FaceSet, features: FaceFeatures) -> None:
    values = features.values.copy()
    values[100] = np.random.default_rng(5).normal(0, 90, values.shape[1])
    odd = replace(features, values=values)
    assert find_non_faces(faces, odd).rows[0] == 100
    finding = find_non_faces(
        faces,
        odd,
        face_probabilities=lambda squares: np.where(
            squares.mean(axis=(1, 2)) == squares.mean(axis=(1, 2)).max(), 0.0, 1.0
        ).astype(np.float32),
        limit=3,
    )
    assert len(finding) == 3
    brightest = int(faces.images.mean(axis=(1, 2)).argmax())
    assert {100, brightest} <= set(finding.rows.tolist())
    assert "face check" in finding.reasons[0]
    assert finding.scores.tolist() == sorted(finding.scores.tolist(), reverse=True)


def test_principal_components_of_known_points() -> None:
    points = np.array([[3, 4], [-3, -4], [6, 8], [-6, -8]], np.float32)
    components = principal_components(points, 2)
    np.testing.assert_allclose(np.abs(components[:, 0]), [5, 5, 10, 10], rtol=1e-5)
    np.testing.assert_allclose(components[:, 1], 0, atol=1e-4)
    assert components[0, 0] > 0  # signs do not depend on chance


@pytest.mark.parametrize("method", ["tsne", "pca"])
def test_the_embedding_groups_classes(faces: FaceSet, features: FaceFeatures, method: Any) -> None:
    chart = embed(faces, features, method=method, sample_size=140)
    assert chart.coordinates.shape == (140, 2)
    assert np.isfinite(chart.coordinates).all()
    assert (np.diff(chart.rows) > 0).all()
    assert np.bincount(faces.labels[chart.rows], minlength=7).tolist() == [20] * 7
    again = embed(faces, features, method=method, sample_size=140)
    np.testing.assert_allclose(again.coordinates, chart.coordinates, rtol=1e-4)
    if method == "tsne":
        away = np.linalg.norm(chart.coordinates[:, None] - chart.coordinates[None], axis=2)
        np.fill_diagonal(away, np.inf)
        labels = faces.labels[chart.rows]
        assert (labels[away.argmin(axis=1)] == labels).mean() > 0.95


def test_the_note_says_if_the_embedding_shows_a_sample(
    faces: FaceSet, features: FaceFeatures
) -> None:
    sample = embed(faces, features, method="pca", sample_size=len(faces) - 1)
    assert sample.note.endswith(f"Stratified sample of {len(sample.rows):,} images.")
    whole = embed(faces, features, method="pca", sample_size=len(faces))
    assert whole.note.endswith(f". All {len(faces):,} images.")


def test_an_embedding_needs_some_images(faces: FaceSet, features: FaceFeatures) -> None:
    with pytest.raises(InputError, match="at least 10 images, and test has 0"):
        embed(faces, features, split="test")
    method: Any = "umap"
    with pytest.raises(ValueError, match="should be either 'tsne' or 'pca'"):
        embed(faces, features, method=method)


def test_no_training_library_is_loaded() -> None:
    script = (
        "import sys, fer_core.evaluation.features, fer_core.evaluation.embedding,"
        "fer_core.evaluation.label_candidates, fer_core.dataset.near_duplicates;"
        "print([name for name in ('tensorflow', 'keras', 'cleanlab', 'sklearn', 'onnx')"
        " if name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"
