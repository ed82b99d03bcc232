"""Bundles: load, find, list and publish them; errors for damaged ones."""

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from fer_core import bundle as bundle_module
from fer_core.bundle import (
    Bundle,
    BundleRecord,
    damaged_bundles,
    default_bundle_name,
    find_bundle,
    list_bundles,
    load_bundle,
    publish_bundle,
    set_default_bundle,
    write_calibration,
    write_predictions,
)
from fer_core.classes import match_class
from fer_core.emotions import EMOTIONS, EMOTIONS8
from fer_core.errors import InputError
from fer_core.settings import Settings

WriteBundle = Callable[..., Path]


def names(settings: Settings) -> list[str]:
    return [bundle.name for bundle in list_bundles(settings)]


def test_a_bundle_is_its_record_and_its_temperature(
    tmp_path: Path, write_bundle_folder: WriteBundle
) -> None:
    bundle = load_bundle(write_bundle_folder(tmp_path / "mine", temperature=1.5, seed=9))
    assert bundle.name == "mine"
    assert bundle.temperature == 1.5
    assert bundle.record.seed == 9
    assert bundle.served_network == tmp_path / "mine" / "model.onnx"


def test_without_calibration_the_temperature_is_one(bundle: Bundle) -> None:
    assert bundle.temperature == 1.0


def test_a_record_written_and_read_again_is_equal(bundle: Bundle) -> None:
    text = json.dumps(bundle.record.to_json())
    assert type(bundle.record).from_json(json.loads(text)) == bundle.record


@pytest.mark.parametrize("damage", [b"", b"{", b"\x80\x81", b"null", b"[]", b'{"labels": []}'])
def test_a_damaged_record_is_reported_in_one_sentence(bundle: Bundle, damage: bytes) -> None:
    (bundle.folder / "bundle.json").write_bytes(damage)
    with pytest.raises(InputError, match=r"bundle 'small' is damaged: .*bundle.json") as caught:
        load_bundle(bundle.folder)
    assert "\n" not in str(caught.value)


def test_a_missing_record_is_reported_in_one_sentence(bundle: Bundle) -> None:
    (bundle.folder / "bundle.json").unlink()
    with pytest.raises(InputError, match=r"small is not a bundle \(bundle.json is missing\)"):
        load_bundle(bundle.folder)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["angry"], "2 to 20 classes. Received: 1"),
        ([f"class {number}" for number in range(21)], "2 to 20 classes. Received: 21"),
        (["angry", "Angry", "fear"], "differ only in case"),
        (["angry", ""], "no visible character"),
    ],
)
def test_a_record_without_a_valid_class_list_is_refused(
    bundle: Bundle, labels: list[str], words: str
) -> None:
    path = bundle.folder / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"labels": labels}))
    with pytest.raises(InputError, match=f"labels: .*{words}"):
        load_bundle(bundle.folder)


@pytest.mark.parametrize(
    ("labels", "recipe", "classes"),
    [
        (EMOTIONS[::-1], "three-conv-cnn-adam", EMOTIONS),
        (("contempt", *EMOTIONS), None, EMOTIONS8),
        (("Anger", "Disgust", "Fear", "joy", "Sadness", "Surprise", "Neutral"), None, EMOTIONS),
        # A model that was trained here has the names of its dataset.
        (("Anger", "Disgust", "Fear", "joy", "Sadness", "Surprise", "Neutral"), "plain", None),
        (("dog", "cat"), None, None),
        (("happy", "sad"), None, None),
    ],
)
def test_the_classes_of_a_record(
    make_record: Callable[..., BundleRecord],
    labels: tuple[str, ...],
    recipe: str | None,
    classes: tuple[str, ...] | None,
) -> None:
    record = make_record(labels=labels, recipe=recipe)
    assert record.classes == (classes or labels)
    assert [labels[position] for position in record.output_indices] == [
        next(label for label in labels if match_class(label, [name]) == 0)
        for name in record.classes
    ]


@pytest.mark.parametrize(
    "damage", ["", "{", "null", "[]", "{}", '{"temperature": "warm"}', '{"temperature": null}']
)
def test_a_damaged_calibration_is_reported_in_one_sentence(bundle: Bundle, damage: str) -> None:
    (bundle.folder / "calibration.json").write_text(damage)
    with pytest.raises(InputError, match=r"is damaged: .*calibration.json.*restore or delete"):
        load_bundle(bundle.folder)


@pytest.mark.parametrize("temperature", ["0", "-1", "1000", "NaN", "Infinity"])
def test_a_temperature_beyond_reason_is_refused(bundle: Bundle, temperature: str) -> None:
    (bundle.folder / "calibration.json").write_text(f'{{"temperature": {temperature}}}')
    with pytest.raises(InputError, match="has the temperature"):
        load_bundle(bundle.folder)


def test_a_calibration_is_read_back(bundle: Bundle) -> None:
    write_calibration(bundle.folder, 1.25, "validation")
    assert load_bundle(bundle.folder).temperature == 1.25


def test_predictions_are_kept_as_they_are(bundle: Bundle) -> None:
    labels = np.array([3, 6], np.int8)
    probabilities = np.full((2, 7), 1 / 7, np.float32)
    write_predictions(bundle.folder, labels, probabilities)
    with np.load(bundle.folder / "predictions.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["labels"], labels)
        np.testing.assert_array_equal(arrays["probabilities"], probabilities)


def test_a_bundle_is_found_by_name_path_and_run(
    settings: Settings,
    write_bundle_folder: WriteBundle,
    bundle: Bundle,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = settings.runs_root / "20250101-run"
    of_run = write_bundle_folder(run / "bundle")
    assert find_bundle("small", settings).folder == bundle.folder
    assert find_bundle(str(bundle.folder), settings).name == "small"
    assert find_bundle("20250101-run", settings).folder == of_run
    assert find_bundle(str(run), settings) == find_bundle("20250101-run", settings)
    monkeypatch.chdir(run)
    assert find_bundle(".", settings).name == "20250101-run"


def test_a_published_bundle_comes_before_a_run_of_the_same_name(
    settings: Settings, write_bundle_folder: WriteBundle, bundle: Bundle
) -> None:
    write_bundle_folder(settings.runs_root / "small" / "bundle")
    assert find_bundle("small", settings).folder == bundle.folder
    assert [found.folder for found in list_bundles(settings)] == [bundle.folder]


@pytest.mark.parametrize("name", ["none", "../small", "~no-such-person/x", "x" * 5000, "a\0b"])
def test_a_model_that_is_not_there_is_refused_with_those_that_are(
    settings: Settings, bundle: Bundle, name: str
) -> None:
    with pytest.raises(InputError, match=r"There is no model .*; models here: small"):
        find_bundle(name, settings)


def test_a_folder_that_is_not_a_bundle_is_named(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a bundle"):
        find_bundle(str(tmp_path), settings)


def test_the_list_has_published_bundles_by_name_then_runs_newest_first(
    settings: Settings, write_bundle_folder: WriteBundle
) -> None:
    for name in ("beta", "alpha"):
        write_bundle_folder(settings.models_root / name)
    for age, name in enumerate(("new", "older", "oldest")):
        record = write_bundle_folder(settings.runs_root / name / "bundle") / "bundle.json"
        os.utime(record, (1_700_000_000 - age, 1_700_000_000 - age))
    assert names(settings) == ["alpha", "beta", "new", "older", "oldest"]


def test_damaged_and_half_made_bundles_are_not_listed(
    settings: Settings, write_bundle_folder: WriteBundle, bundle: Bundle
) -> None:
    write_bundle_folder(settings.models_root / ".half.made")
    damaged = write_bundle_folder(settings.models_root / "damaged")
    (damaged / "bundle.json").write_text("{")
    settings.detectors_root.mkdir()
    assert names(settings) == ["small"]
    (message,) = damaged_bundles(settings)
    assert "'damaged' is damaged" in message


def test_the_list_shows_changed_files(settings: Settings, bundle: Bundle) -> None:
    listed = list_bundles(settings)
    assert list_bundles(settings)[0] is listed[0]  # not read again
    write_calibration(bundle.folder, 2.0, "validation")
    assert [found.temperature for found in list_bundles(settings)] == [2.0]
    record = bundle.folder / "bundle.json"
    content = record.read_text()
    record.write_text("{")
    assert list_bundles(settings) == []
    record.write_text(content)
    assert names(settings) == [bundle.name]


def test_no_folder_at_all_means_no_models(settings: Settings) -> None:
    assert list_bundles(settings) == []
    assert default_bundle_name(settings) is None
    with pytest.raises(InputError, match="There is no model yet"):
        find_bundle(None, settings)


def test_the_default_is_served_when_none_is_named(settings: Settings, bundle: Bundle) -> None:
    set_default_bundle("small", settings)
    assert (settings.models_root / "default").read_text() == "small\n"
    assert find_bundle(None, settings).name == "small"


def test_a_missing_default_model_is_named(settings: Settings, bundle: Bundle) -> None:
    (settings.models_root / "default").write_text("gone\n")
    with pytest.raises(InputError, match=r"model 'gone' no longer exists;.* Models here: small"):
        find_bundle(None, settings)


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe\x80"])
def test_a_default_file_without_a_name_leads_to_the_models_there_are(
    settings: Settings, bundle: Bundle, content: bytes
) -> None:
    (settings.models_root / "default").write_bytes(content)
    with pytest.raises(InputError, match=r"No default model is set.*choose one of small"):
        find_bundle(None, settings)


def test_a_default_file_of_megabytes_does_not_fill_the_message(
    settings: Settings, bundle: Bundle
) -> None:
    (settings.models_root / "default").write_text("x" * 5_000_000)
    with pytest.raises(InputError, match="The default model 'xxx") as refused:
        find_bundle(None, settings)
    assert len(str(refused.value)) < 500


def test_only_a_model_that_is_there_becomes_the_default(settings: Settings, bundle: Bundle) -> None:
    with pytest.raises(InputError, match="no model 'typo'"):
        set_default_bundle("typo", settings)
    assert default_bundle_name(settings) is None


def test_a_published_models_card_bears_its_new_name(
    settings: Settings, write_bundle_folder: WriteBundle
) -> None:
    folder = write_bundle_folder(settings.runs_root / "run-1" / "bundle")
    (folder / "README.md").write_text("# run-1\n\nOf run-1.\n")
    published = publish_bundle(folder.parent, settings, name="champion")
    assert (published.folder / "README.md").read_text() == "# champion\n\nOf run-1.\n"
    assert (folder / "README.md").read_text() == "# run-1\n\nOf run-1.\n"
    # A user has edited the card with an editor that does not write UTF-8.
    (folder / "README.md").write_bytes("# run-1\n\nFür Züge.\n".encode("latin-1"))
    published = publish_bundle(folder.parent, settings, name="other")
    assert (published.folder / "README.md").read_bytes() == "# other\n\nFür Züge.\n".encode(
        "latin-1"
    )


def test_publishing_copies_a_bundles_own_files_and_no_others(
    settings: Settings, write_bundle_folder: WriteBundle
) -> None:
    run = settings.runs_root / "run-1"
    folder = write_bundle_folder(run / "bundle", temperature=2.0)
    (folder / "secret.txt").write_text("not for others")
    (folder / "README.md").mkdir()
    published = publish_bundle(run, settings, name="champion", make_default=True)
    assert published.folder == settings.models_root / "champion"
    assert sorted(file.name for file in published.folder.iterdir()) == [
        "bundle.json",
        "calibration.json",
        "model.onnx",
    ]
    assert find_bundle(None, settings).name == "champion"
    assert published.temperature == 2.0


def test_a_run_is_published_under_its_own_name(
    settings: Settings, write_bundle_folder: WriteBundle
) -> None:
    write_bundle_folder(settings.runs_root / "run-1" / "bundle")
    assert publish_bundle(settings.runs_root / "run-1", settings).name == "run-1"
    assert default_bundle_name(settings) is None


def test_a_taken_name_is_refused_and_what_is_there_stays(
    settings: Settings, write_bundle_folder: WriteBundle, bundle: Bundle
) -> None:
    other = write_bundle_folder(settings.runs_root / "run-1" / "bundle", seed=77)
    with pytest.raises(InputError, match="already a model 'small'"):
        publish_bundle(other, settings, name="small")
    assert load_bundle(bundle.folder).record.seed == 3


def test_of_two_threads_that_publish_one_name_only_one_succeeds(
    settings: Settings, write_bundle_folder: WriteBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = [
        write_bundle_folder(settings.runs_root / f"run-{seed}" / "bundle", seed=seed)
        for seed in (1, 2)
    ]
    # Both have found the name free and have copied their files before either of them renames.
    barrier = threading.Barrier(2, timeout=300)
    monkeypatch.setattr(bundle_module, "_retitle_card", lambda *_: barrier.wait())

    def publish(source: Path) -> str:
        try:
            return str(publish_bundle(source, settings, name="champion").record.seed)
        except InputError as error:
            return str(error)

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(publish, sources))
    (winner,) = [outcome for outcome in outcomes if outcome in ("1", "2")]
    outcomes.remove(winner)
    assert outcomes == [
        "There is already a model 'champion'; choose another name, or replace it with "
        "'models import --replace'."
    ]
    assert str(load_bundle(settings.models_root / "champion").record.seed) == winner
    assert [path.name for path in settings.models_root.iterdir()] == ["champion"]


@pytest.mark.parametrize("name", ["../out", ".hidden", "a b", "x" * 65, "a/b"])
def test_an_unfit_name_is_refused(settings: Settings, bundle: Bundle, name: str) -> None:
    with pytest.raises(InputError, match="cannot be the name of a model"):
        publish_bundle(bundle.folder, settings, name=name)


@pytest.mark.parametrize("name", ["default", "detectors"])
def test_names_with_a_meaning_of_their_own_are_refused(
    settings: Settings, bundle: Bundle, name: str
) -> None:
    with pytest.raises(InputError, match=f"'{name}' cannot be the name of a model"):
        publish_bundle(bundle.folder, settings, name=name, make_default=True)
    assert names(settings) == ["small"]


def test_half_a_bundle_is_not_published(
    settings: Settings, write_bundle_folder: WriteBundle
) -> None:
    folder = write_bundle_folder(settings.runs_root / "run-1" / "bundle")
    (folder / "bundle.json").unlink()
    with pytest.raises(InputError, match="is not a bundle"):
        publish_bundle(settings.runs_root / "run-1", settings)
    assert not (settings.models_root / "run-1").exists()


def test_the_content_key_changes_with_what_predictions_depend_on(bundle: Bundle) -> None:
    before = bundle.content_key
    assert load_bundle(bundle.folder).content_key == before
    write_calibration(bundle.folder, 2.0, "validation")
    calibrated = bundle.content_key
    assert calibrated != before
    (bundle.folder / "README.md").write_text("words")
    assert bundle.content_key == calibrated


def test_a_bundle_deleted_during_the_listing_is_skipped(
    settings: Settings, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = settings.runs_root / "leaving" / "bundle"
    shutil.copytree(bundle.folder, folder)
    known = load_bundle(folder)
    whole = known.content_key
    list_folder = Path.iterdir

    def delete_what_was_found(self: Path) -> Iterator[Path]:
        found = list(list_folder(self))
        if self == settings.runs_root:
            assert [path.name for path in found] == ["leaving"]
            shutil.rmtree(settings.runs_root)
        return iter(found)

    monkeypatch.setattr(Path, "iterdir", delete_what_was_found)
    assert names(settings) == ["small"]
    assert damaged_bundles(settings) == []
    assert known.content_key != whole


def test_the_validation_accuracy_is_against_what_was_learned(
    make_record: Callable[..., BundleRecord],
) -> None:
    metrics = {"validation": {"accuracy": 0.6, "votes": {"accuracy": 0.86}}}
    assert make_record(metrics=metrics).validation_accuracy == 0.6
    votes = {"kind": "votes_distribution"}
    assert make_record(metrics=metrics, targets=votes).validation_accuracy == 0.86
    assert make_record(metrics={}, targets=votes).validation_accuracy is None
    assert make_record(metrics={"validation": {"accuracy": "?"}}).validation_accuracy is None
