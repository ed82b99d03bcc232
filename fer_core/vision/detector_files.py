"""The names of the face detectors that can be used, and YuNet's file: path, checksum, download.

OpenCV is not imported, so that a page can offer the detectors before it loads them.
"""

import hashlib
import http.client
import time
import urllib.error
import urllib.request
from functools import lru_cache
from pathlib import Path

from fer_core.errors import InputError, system_reason
from fer_core.files import atomic_write_file, file_sha256, os_errors_as_input_errors
from fer_core.settings import Settings

#: The names by which users choose a detector.
YUNET, HAAR = "yunet", "haar"

YUNET_FILE_NAME = "face_detection_yunet_2023mar.onnx"
YUNET_BYTES = 232_589
YUNET_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
YUNET_URL = (
    "https://media.githubusercontent.com/media/opencv/opencv_zoo/main/models/"
    f"face_detection_yunet/{YUNET_FILE_NAME}"
)
#: Timeout of the connection, and of each part of the response.
_TIMEOUT_SECONDS = 5.0
#: Maximum duration of the whole download, because a server may send a few bytes at a time.
_MAX_DOWNLOAD_SECONDS = 60.0
#: Maximum number of bytes that are read at once.
_CHUNK_BYTES = 65_536


def yunet_path(settings: Settings) -> Path:
    """Return the path at which YuNet's file is expected."""
    return settings.detectors_root / YUNET_FILE_NAME


def is_yunet_available(settings: Settings) -> bool:
    """Return True if YuNet's file exists and its checksum is ``YUNET_SHA256``."""
    path = yunet_path(settings)
    try:
        file_stat = path.stat()
        if file_stat.st_size != YUNET_BYTES:
            return False
        return _file_sha256(path, file_stat.st_mtime_ns, file_stat.st_ino) == YUNET_SHA256
    except OSError:
        # The file does not exist, is a folder, or cannot be read by this user.
        return False


def detector_names(settings: Settings) -> tuple[str, ...]:
    """Return the names of the detectors that can be used now, the default first."""
    return (YUNET, HAAR) if is_yunet_available(settings) else (HAAR,)


def download_yunet(settings: Settings, url: str = YUNET_URL) -> Path:
    """Download YuNet's file, verify its checksum and store it.

    Args:
        settings: Contains the folder for the file; it is created if necessary.
        url: The URL of the file.

    Returns:
        The file's path.

    Raises:
        InputError: The file could not be downloaded or written, or its size or checksum is not
            that of YuNet. In these cases, nothing is stored.
    """
    path = yunet_path(settings)
    manual_step = f"download {YUNET_FILE_NAME} on another machine and copy it into {path.parent}"
    try:
        content = _download(url)
    except urllib.error.HTTPError as error:
        raise InputError(
            f"{url} answered {error.code} instead of the YuNet detector; {manual_step}."
        ) from error
    # OSError: no network, a refused connection or a timeout. ValueError: an invalid URL.
    # HTTPException: an invalid response.
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise InputError(
            f"The YuNet detector could not be downloaded from {url} ({_reason(error)}); check the "
            f"network, or {manual_step}."
        ) from error
    if len(content) != YUNET_BYTES or hashlib.sha256(content).hexdigest() != YUNET_SHA256:
        raise InputError(
            f"{url} returned another file than the YuNet detector (its size or SHA-256 differs), "
            f"so it was not stored; {manual_step}."
        )
    with (
        os_errors_as_input_errors(f"The YuNet detector cannot be stored in {path.parent}"),
        atomic_write_file(path) as temporary,
    ):
        temporary.write_bytes(content)
    return path


def _download(url: str) -> bytes:
    """Return the content at a URL, at most one byte more than YuNet's file has.

    The additional byte shows that the content is a larger file.
    """
    deadline = time.monotonic() + _MAX_DOWNLOAD_SECONDS
    content = b""
    with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response:
        while len(content) <= YUNET_BYTES:
            if time.monotonic() > deadline:
                raise TimeoutError(f"not complete after {_MAX_DOWNLOAD_SECONDS:.0f} s")
            chunk = response.read1(min(_CHUNK_BYTES, YUNET_BYTES + 1 - len(content)))
            if not chunk:
                break
            content += chunk
    return content


@lru_cache(maxsize=8)
def _file_sha256(path: Path, modified_ns: int, inode: int) -> str:
    """Return the SHA-256 of a file, cached by its path, modification time and inode.

    The path and the time alone are not enough: a file and the one that replaces it within a few
    milliseconds may have the same time.
    """
    return file_sha256(path)


def _reason(error: Exception) -> str:
    """Return the innermost cause, such as "Connection refused"."""
    cause = getattr(error, "reason", error)  # an exception or a string if urllib wrapped it
    return system_reason(cause) if isinstance(cause, BaseException) else str(cause)
