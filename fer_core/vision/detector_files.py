"""YuNet's network file: where it lies, whether it is the right one, and fetching it."""

import hashlib
import http.client
import urllib.error
import urllib.request
from functools import lru_cache
from pathlib import Path

from fer_core.errors import InputError
from fer_core.files import os_errors_as_input_errors, replaced_file
from fer_core.settings import Settings

YUNET_FILE_NAME = "face_detection_yunet_2023mar.onnx"
YUNET_BYTES = 232_589
YUNET_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
YUNET_URL = (
    "https://media.githubusercontent.com/media/opencv/opencv_zoo/main/models/"
    f"face_detection_yunet/{YUNET_FILE_NAME}"
)
_TIMEOUT_SECONDS = 20.0


def yunet_path(settings: Settings) -> Path:
    """Where YuNet's file is expected."""
    return settings.detectors_root / YUNET_FILE_NAME


def is_yunet_available(settings: Settings) -> bool:
    """Whether YuNet's file is there and is, byte for byte, the one that was tested."""
    path = yunet_path(settings)
    try:
        state = path.stat()
        if state.st_size != YUNET_BYTES:
            return False
        return _file_sha256(path, state.st_mtime_ns, state.st_size) == YUNET_SHA256
    except OSError:
        # Absent, a folder, or not readable by this user: in each case not to be had.
        return False


def download_yunet(settings: Settings, url: str = YUNET_URL) -> Path:
    """Fetch YuNet's file, check it and put it in its place.

    Args:
        settings: Says where the file goes; the folder is made where it is missing.
        url: Where to fetch it from.

    Returns:
        The file's path. Nothing is written unless the content is the expected one.

    Raises:
        InputError: It could not be fetched or written, or is another file than expected.
    """
    path = yunet_path(settings)
    by_hand = f"fetch {YUNET_FILE_NAME} elsewhere and drop it into {path.parent}"
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response:
            # One byte more than expected is enough to know that it is another file.
            content = response.read(YUNET_BYTES + 1)
    except urllib.error.HTTPError as error:
        raise InputError(
            f"{url} answered {error.code} instead of the YuNet detector; {by_hand}."
        ) from error
    # Beside OSError (no network, refused, timed out), http.client's own errors and bad URLs.
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise InputError(
            f"The YuNet detector could not be downloaded from {url} ({_reason(error)}); check the "
            f"network, or {by_hand}."
        ) from error
    if len(content) != YUNET_BYTES or hashlib.sha256(content).hexdigest() != YUNET_SHA256:
        raise InputError(
            f"{url} gave another file than the YuNet detector that was tested (size or SHA-256 "
            f"differ), so it was not kept; {by_hand}."
        )
    with (
        os_errors_as_input_errors(f"The YuNet detector cannot be kept in {path.parent}"),
        replaced_file(path) as temporary,
    ):
        temporary.write_bytes(content)
    return path


@lru_cache(maxsize=8)
def _file_sha256(path: Path, modified_ns: int, size: int) -> str:
    """The file's hash; time and size stand in the cache's key so that a new file is read anew."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _reason(error: Exception) -> str:
    """The innermost cause in plain words, such as "Connection refused"."""
    cause = getattr(error, "reason", error)
    return str(getattr(cause, "strerror", None) or cause or type(error).__name__)
