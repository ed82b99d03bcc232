"""The way to Kaggle, up to the network: kagglehub's own download is replaced."""

import time
from collections.abc import Callable
from pathlib import Path

import kagglehub
import numpy as np
import pytest
import requests
from kagglehub import config
from numpy.typing import NDArray

from fer_core.dataset.kaggle import KAGGLE_HANDLE, import_from_kaggle
from fer_core.dataset.splitting import SplitChoice
from fer_core.dataset.store import dataset_names, read_record
from fer_core.errors import InputError
from fer_core.settings import Settings

Png = Callable[[NDArray[np.uint8]], bytes]
TOKEN = "KGAT_test-token"


def http_error(status: int) -> requests.HTTPError:
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError(f"{status} for a request with {TOKEN}", response=response)


def fail_with(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(handle: str, *, output_dir: str) -> str:
        raise error

    monkeypatch.setattr(kagglehub, "dataset_download", fail)


def test_what_is_downloaded_is_imported_and_the_download_removed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, png: Png
) -> None:
    asked: list[object] = []
    sizes: list[int] = []

    def download(handle: str, *, output_dir: str) -> str:
        credentials = config.get_kaggle_credentials()
        asked.extend([handle, credentials and credentials.api_key])
        for number in range(12):
            path = Path(output_dir) / "train" / "happy" / f"Training_{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(np.full((48, 48), number, np.uint8)))
        deadline = time.monotonic() + 120
        while not any(sizes):  # until the size on disk has been reported
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return output_dir

    monkeypatch.setattr(kagglehub, "dataset_download", download)
    name, faces = import_from_kaggle(
        settings,
        name="mine",
        token=f" {TOKEN}\n",
        split_choice=SplitChoice(seed=5),
        report_bytes=sizes.append,
    )
    assert asked == [KAGGLE_HANDLE, TOKEN]
    assert (name, len(faces), faces.skipped) == ("mine", 12, 0)
    assert sizes[-1] > 12 * 50
    assert dataset_names(settings) == ["mine"]
    assert read_record("mine", settings).source == "msambare-fer2013"
    assert [path.name for path in settings.data_root.iterdir()] == ["mine"]
    # The token is used for this one download.
    assert config._kaggle_credentials is None


@pytest.mark.parametrize(
    ("error", "token", "words"),
    [
        (requests.ConnectionError("no route"), None, "cannot be reached from this machine"),
        (requests.Timeout("slow"), None, "cannot be reached from this machine"),
        (http_error(401), TOKEN, "rejects this token"),
        (http_error(403), None, "asks for an API token"),
        (http_error(403), " ", "asks for an API token"),
        (http_error(429), None, "too many requests"),
        (OSError(28, "No space left on device"), None, "No space left on device"),
        (ValueError("Invalid Kaggle credentials file at x"), None, "Invalid Kaggle credentials"),
    ],
)
def test_every_failure_is_one_sentence_and_leaves_nothing(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    token: str | None,
    words: str,
) -> None:
    fail_with(error, monkeypatch)
    with pytest.raises(InputError, match=words) as caught:
        import_from_kaggle(settings, token=token)
    assert "with a browser and upload the zip" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert TOKEN not in str(caught.value)
    assert list(settings.data_root.iterdir()) == []
    assert config._kaggle_credentials is None


def test_an_unexpected_download_is_reported(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(handle: str, *, output_dir: str) -> str:
        Path(output_dir).mkdir()
        (Path(output_dir) / "readme.txt").write_text("nothing")
        return output_dir

    monkeypatch.setattr(kagglehub, "dataset_download", download)
    with pytest.raises(InputError, match="no usable picture"):
        import_from_kaggle(settings)
    assert list(settings.data_root.iterdir()) == []
