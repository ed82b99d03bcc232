"""Download of FER2013 from Kaggle, with the user's own account."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.splitting import SplitChoice
from fer_core.dataset.store import import_dataset
from fer_core.errors import InputError, first_line
from fer_core.files import is_disk_full, os_errors_as_input_errors, temporary_folder
from fer_core.progress import ProgressReport
from fer_core.settings import Settings

#: Kaggle's name of FER2013 with one file per picture: https://www.kaggle.com/datasets/msambare/fer2013
KAGGLE_HANDLE = "msambare/fer2013"

_TOKENS_URL = "https://www.kaggle.com/settings"
_OR_MANUALLY = (
    f"or download https://www.kaggle.com/datasets/{KAGGLE_HANDLE} with a browser and upload the zip"
)

#: Seconds between two reports of the downloaded bytes.
_REPORT_SECONDS = 0.5

#: Allows one download at a time, because kagglehub has one set of credentials for the process.
_CREDENTIALS_LOCK = threading.Lock()


def import_from_kaggle(
    settings: Settings,
    *,
    name: str = "fer2013",
    token: str | None = None,
    split_choice: SplitChoice | None = None,
    report: ProgressReport | None = None,
    report_bytes: Callable[[int], None] | None = None,
) -> tuple[str, FaceSet]:
    """Download FER2013 from Kaggle and import it.

    Args:
        settings: Contains the path of ``data/``; the download is stored there until it is imported.
        name: The name of the new dataset.
        token: An API token of the user's account. Without it, kagglehub uses the token of Kaggle's
            own tools (``KAGGLE_API_TOKEN``, ``~/.kaggle/``); if they have none, it sends no token.
        split_choice: How missing splits are created.
        report: Called with the progress of reading the downloaded files.
        report_bytes: Called during the download with the number of bytes on disk.

    Returns:
        The name of the dataset, and its data.

    Raises:
        InputError: Kaggle cannot be reached or rejects the request, or the dataset cannot be
            imported.
    """
    token = (token or "").strip() or None
    with (
        os_errors_as_input_errors(f"A download cannot be stored in {settings.data_root}"),
        _download_folder(settings.data_root) as temporary,
    ):
        folder = temporary / KAGGLE_HANDLE.replace("/", "-")
        _download(folder, token, report_bytes)
        return import_dataset(folder, settings, name=name, split_choice=split_choice, report=report)


@contextmanager
def _download_folder(root: Path) -> Iterator[Path]:
    """Create a temporary folder for the download in ``data/``, on the same disk as the datasets."""
    root.mkdir(parents=True, exist_ok=True)
    with temporary_folder("kaggle", root) as folder:
        yield folder


def _download(folder: Path, token: str | None, report_bytes: Callable[[int], None] | None) -> None:
    """Download into a new folder, and report the number of bytes during the download."""
    with ThreadPoolExecutor(1, thread_name_prefix="kaggle") as pool:
        future = pool.submit(_fetch, folder, token)
        while not wait([future], timeout=_REPORT_SECONDS).done:
            if report_bytes is not None:
                # The parent exists already, but kagglehub creates ``folder`` only later.
                report_bytes(_size(folder.parent))
    try:
        future.result()
    except InputError:
        raise
    except Exception as error:
        # requests, kagglesdk and the system raise different types of errors.
        raise _download_error(error, has_token=token is not None) from error


def _fetch(folder: Path, token: str | None) -> None:
    """Download with kagglehub, whose process-wide token is set only during the download."""
    try:
        from kagglehub import config, dataset_download
    except ImportError as error:
        raise InputError(
            f"kagglehub is not installed; install it (pip install kagglehub), {_OR_MANUALLY}."
        ) from error
    with _CREDENTIALS_LOCK:
        if token:
            config.set_kaggle_api_token(token.strip())
        try:
            dataset_download(KAGGLE_HANDLE, output_dir=str(folder))
        finally:
            if token:
                config.clear_kaggle_credentials()


def _size(folder: Path) -> int:
    """Return the size of all files in a folder, in bytes."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except OSError:
            continue  # renamed or removed since it was listed
    return total


def _download_error(error: Exception, *, has_token: bool) -> InputError:
    """Return the message for an error; it never contains the token."""
    import requests

    status = getattr(getattr(error, "response", None), "status_code", None)
    if is_disk_full(error):
        return InputError(
            f"The download from Kaggle does not fit on the disk ({first_line(error)}), and the "
            f"incomplete download was deleted; free some space and try again, {_OR_MANUALLY}."
        )
    if isinstance(error, (requests.ConnectionError, requests.Timeout)):
        return InputError(
            "Kaggle cannot be reached from this machine; check its connection to the internet, "
            f"{_OR_MANUALLY}."
        )
    if status in (401, 403):
        problem = "rejects this token" if has_token else "asks for an API token"
        return InputError(
            f"Kaggle {problem}; create a token in your account's settings ({_TOKENS_URL}) and "
            f"enter it here, {_OR_MANUALLY}."
        )
    if status == 429:
        return InputError(
            f"Kaggle says there were too many requests; wait a while, {_OR_MANUALLY}."
        )
    return InputError(
        f"{KAGGLE_HANDLE} could not be downloaded from Kaggle ({first_line(error)}); try again, "
        f"{_OR_MANUALLY}."
    )
