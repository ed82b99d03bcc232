"""Read and write files of object stores through fsspec.

``s3://`` uses the client in PyArrow, which is installed with the app. It reads the usual variables:
``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``, ``AWS_REGION`` and ``AWS_ENDPOINT_URL``. For other
schemes, fsspec uses another package, which must be installed.
"""

from __future__ import annotations

import errno
import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import IO, Any

from fer_core.errors import InputError, first_line
from fer_core.extras import require_packages

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*)://.+", re.IGNORECASE | re.DOTALL)

#: Time limits in seconds for a connection to an object store, and for an answer.
_CONNECT_SECONDS, _REQUEST_SECONDS = 5.0, 60.0
#: Number of bytes that are copied at once.
_COPY_BYTES = 8 * 2**20


@dataclass(frozen=True)
class ListedFile:
    """A file in the listing of a store.

    Attributes:
        address: Address of the file.
        size: Size in bytes; None if the store does not state it, as some web servers do not.
    """

    address: str
    size: int | None


def is_address(text: str) -> bool:
    """Return True for an address with a scheme, such as ``s3://bucket/photos``."""
    return _ADDRESS.fullmatch(text) is not None


class Store:
    """The file system behind an address, such as ``s3://bucket/photos``."""

    def __init__(self, address: str) -> None:
        """Open the file system.

        Raises:
            InputError: The scheme is not supported, or needs a package that is not installed.
        """
        match = _ADDRESS.fullmatch(address)
        assert match is not None  # callers check is_address
        self._scheme = match[1].lower()
        self._client = _file_system(self._scheme)

    def read(self, address: str, limit: int | None = None) -> bytes:
        """Return a file's content, or its first bytes.

        Args:
            address: The file.
            limit: Maximum number of bytes; a client may reserve this amount of memory.

        Raises:
            OSError: The file cannot be read.
        """
        with _errors_as_os_errors(), self._client.open(self._path(address), "rb") as file:
            content: bytes = file.read() if limit is None else file.read(limit)
            return content

    @contextmanager
    def opened(self, address: str) -> Iterator[IO[bytes]]:
        """Open a file to read some parts of it.

        Raises:
            OSError: The file cannot be read.
        """
        with _errors_as_os_errors(), self._client.open(self._path(address), "rb") as file:
            yield file

    def copy(self, address: str, target: IO[bytes], limit: int | None = None) -> None:
        """Write a file's content to an open file.

        Args:
            address: The file.
            target: The file to write to.
            limit: Maximum number of bytes; None to copy the whole file.

        Raises:
            OSError: The file cannot be read or written.
        """
        left = math.inf if limit is None else limit
        with _errors_as_os_errors(), self._client.open(self._path(address), "rb") as file:
            while left > 0 and (content := file.read(int(min(left, _COPY_BYTES)))):
                target.write(content)
                left -= len(content)

    def write(self, address: str, content: bytes) -> None:
        """Replace a file. In an object store, a reader sees either the old or the new content.

        Raises:
            OSError: The file cannot be written.
        """
        with _errors_as_os_errors(), self._client.open(self._path(address), "wb") as file:
            file.write(content)

    def delete(self, address: str) -> None:
        """Delete a file.

        Raises:
            OSError: The file cannot be deleted.
        """
        with _errors_as_os_errors():
            self._client.rm_file(self._path(address))

    def exists(self, address: str) -> bool:
        """Return True if a file or folder exists.

        Raises:
            OSError: The store cannot be read.
        """
        with _errors_as_os_errors():
            return bool(self._client.exists(self._path(address)))

    def files(self, address: str) -> Iterator[ListedFile]:
        """Yield the file at an address, or all files at any depth of a folder, sorted by address.

        Raises:
            OSError: The store cannot be read.
        """
        with _errors_as_os_errors():
            self._check_reachable(address)
            infos = self._client.find(self._path(address), detail=True)
        for path, info in sorted(infos.items()):
            yield ListedFile(self._address(path), _size(info))

    def matches(self, pattern: str) -> Iterator[ListedFile]:
        """Yield the files whose addresses match a pattern, sorted by address.

        Raises:
            OSError: The store cannot be read.
        """
        with _errors_as_os_errors():
            self._check_reachable(re.split(r"[*?[]", pattern)[0].rpartition("/")[0])
            infos = self._client.glob(self._path(pattern), detail=True)
        for path, info in sorted(infos.items()):
            if info.get("type") == "file":
                yield ListedFile(self._address(path), _size(info))

    def _check_reachable(self, address: str) -> None:
        """Raise an error if the store cannot be read. Otherwise the client would list no files."""
        if self._scheme not in ("http", "https"):
            self._client.info(self._path(address))

    def _path(self, address: str) -> str:
        """Return an address as the client expects it: without the scheme, except for HTTP."""
        if self._scheme in ("http", "https"):
            return address
        return address.split("://", 1)[1]

    def _address(self, path: str) -> str:
        """Return the address of a path from a listing of the client."""
        return path if is_address(path) else f"{self._scheme}://{path.lstrip('/')}"


def _size(info: dict[str, Any]) -> int | None:
    """Return the size that a client states about a file, in bytes; None if it is unknown."""
    size = info.get("size")
    return None if size is None else int(size)


@cache
def _file_system(scheme: str) -> Any:
    """Return fsspec's client for a scheme."""
    require_packages(f"Addresses with {scheme}:// need", "scale", "fsspec")
    import fsspec

    try:
        if scheme == "s3":
            return _open_s3()
        return fsspec.filesystem(scheme)
    except ImportError as error:
        raise InputError(
            f"Addresses with {scheme}:// need another package ({first_line(error)})."
        ) from error
    except ValueError as error:
        raise InputError(
            f"Addresses with {scheme}:// are not supported ({first_line(error)}); use s3://, or "
            "another scheme of fsspec."
        ) from error


def _open_s3() -> Any:
    from fsspec.implementations.arrow import ArrowFSWrapper
    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    scheme, separator, host = endpoint.rpartition("://")
    return ArrowFSWrapper(
        S3FileSystem(
            endpoint_override=host.rstrip("/") or None,
            scheme=scheme if separator else None,
            region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"),
            connect_timeout=_CONNECT_SECONDS,
            request_timeout=_REQUEST_SECONDS,
            retry_strategy=AwsStandardS3RetryStrategy(max_attempts=3),
        )
    )


@contextmanager
def _errors_as_os_errors() -> Iterator[None]:
    """Convert errors to ``OSError``, because each client raises its own types of errors."""
    try:
        yield
    except OSError as error:
        # PyArrow's client puts several lines of the server's answer into the message, so a short
        # reason replaces it.
        if error.strerror is None or "AWS Error" in str(error):
            # The number selects the subclass of OSError.
            number = errno.ENOENT if isinstance(error, FileNotFoundError) else error.errno or 0
            raise OSError(number, _reason(error)) from error
        raise
    except Exception as error:
        raise OSError(0, _reason(error)) from error


def _reason(error: Exception) -> str:
    """Return the reason of a client's error in a few words."""
    text = first_line(error)
    if "ACCESS_DENIED" in text or "Access Denied" in text:
        return "the store denies access"
    if isinstance(error, FileNotFoundError) or "NO_SUCH" in text:
        return "there is no such file or bucket"
    if "403" in text:
        return "the store denies access"
    if "NETWORK_CONNECTION" in text or "connect" in text.lower():
        return "the store cannot be reached"
    return text[:160].rstrip(".")
