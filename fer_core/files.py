"""Atomic writes, and checked reads, of files and folders.

A reader sees the old content or the new content, never a mixture. Unfinished files are hidden and
have ``TEMPORARY_MARK`` in their names. If a process dies, ``fer_core.stale_files`` removes its
unfinished files.
"""

import errno
import hashlib
import itertools
import json
import os
import re
import shutil
import tempfile
import threading
import unicodedata
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from fer_core.errors import InputError, first_line, system_reason

#: Part of the name of every file and folder that is being written or removed.
TEMPORARY_MARK = ".fer-part"

#: Name of a file in a temporary folder, locked while the process that fills the folder is alive.
WRITER_LOCK = ".writer.lock"

#: Follows the original name in the hidden name of a folder that is being replaced.
REPLACED_MARK = ".old."
#: Maximum size of a file that ``read_lines`` reads: 1 GB.
_MAX_LINES_BYTES = 1 << 30
_NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

#: The names that ``is_plain_name`` accepts, in words that follow "use" in messages.
PLAIN_NAME_RULE = (
    "up to 64 letters, digits, dots, dashes and underscores, beginning with a letter or digit"
)


def is_plain_name(text: str) -> bool:
    """Return True if a dataset or model may have this name: no path, and valid on every system."""
    return _NAME_PATTERN.fullmatch(text) is not None


def to_plain_name(text: str) -> str:
    """Turn a string into a plain name, such as ``FER 2013 (1)`` into ``FER-2013-1``.

    The result is empty if the string contains no ASCII letters and digits.
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:64]


@contextmanager
def atomic_write_file(path: Path, *, is_durable: bool = True) -> Iterator[Path]:
    """Provide a temporary path next to ``path``; a file written there becomes ``path`` at the end.

    If the body raises, the temporary file is removed and ``path`` stays as it was.

    Args:
        path: The file to replace.
        is_durable: True to wait until the content is on the disk. If False, a power failure may
            leave an empty file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays last, because Keras chooses the file format by it. The thread is part of the
    # name, because two visitors of the app are two threads of one process.
    writer = f"{os.getpid()}-{threading.get_ident()}"
    temporary = path.with_name(f".{path.stem}.{writer}{TEMPORARY_MARK}{path.suffix}")
    try:
        yield temporary
        if is_durable:
            _flush_to_disk(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic_write_folder(path: Path) -> Iterator[Path]:
    """Provide an empty temporary folder that becomes ``path`` at the end.

    An existing folder at ``path`` is replaced. If the body raises, ``path`` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _create_hidden_folder(path)
    try:
        yield temporary
        if path.exists():
            replace_folder(path, temporary)
        else:
            temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def replace_folder(path: Path, replacement: Path) -> None:
    """Rename the folder ``replacement`` to ``path``, and remove the old folder at ``path``.

    Args:
        path: The existing folder.
        replacement: The folder that replaces it, complete and on the same disk.

    Raises:
        OSError: A folder cannot be renamed; both are unchanged.
    """
    outdated = _hidden_name(path, f".{path.name}{REPLACED_MARK}")
    path.rename(outdated)
    # If the process dies here, remove_stale_temp_files restores the old folder.
    try:
        replacement.replace(path)
    except BaseException:
        outdated.rename(path)
        raise
    shutil.rmtree(outdated, ignore_errors=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Provide an empty temporary folder that becomes ``path`` at the end; ``path`` must be free.

    If the body raises, the temporary folder is removed.

    Raises:
        FileExistsError: ``path`` exists, even if another thread or process has only just created
            it. The existing file or folder is not changed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _create_hidden_folder(path)
    try:
        yield temporary
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        try:
            # Renaming a folder replaces neither a file nor a folder with content.
            temporary.rename(path)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise FileExistsError(error.errno, error.strerror, str(path)) from error
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def create_numbered_folder(root: Path, name: str) -> Path:
    """Create a folder with the first free name of ``name``, ``name-2``, ``name-3``, ….

    No other process can take the name, because this function creates the folder at once.

    Args:
        root: The parent folder; created too if it does not exist.
        name: The preferred name.

    Raises:
        OSError: The folder cannot be created.
    """
    root.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        path = root / (name if number == 1 else f"{name}-{number}")
        with suppress(FileExistsError):
            path.mkdir()
            break
    return path


def _create_hidden_folder(path: Path) -> Path:
    """Create an empty hidden folder next to ``path``."""
    temporary = Path(
        tempfile.mkdtemp(prefix=f".{path.name}.", suffix=TEMPORARY_MARK, dir=path.parent)
    )
    # Only this user can open a folder that mkdtemp created, so it gets its parent's permissions.
    temporary.chmod(path.parent.stat().st_mode & 0o777)
    return temporary


@contextmanager
def temporary_folder(name: str, parent: Path) -> Iterator[Path]:
    """Create a hidden folder in ``parent`` and remove it with its content at the end.

    A locked file in the folder shows that this process is alive. The system releases the lock when
    the process ends, even if it is killed; ``fer_core.stale_files`` then removes the folder.
    """
    # Imported here because it takes a tenth of a second to load.
    from filelock import FileLock

    with (
        tempfile.TemporaryDirectory(
            prefix=f".{name}.", suffix=TEMPORARY_MARK, dir=parent
        ) as folder,
        FileLock(Path(folder, WRITER_LOCK)),
    ):
        yield Path(folder)


def delete_folder(path: Path) -> None:
    """Remove a folder. Its name disappears at once, even if the removal takes long.

    No new file is written, so this works on a full disk.

    Raises:
        OSError: The folder cannot be renamed; it is unchanged.
    """
    renamed = _hidden_name(path, ".deleted.")
    path.rename(renamed)
    shutil.rmtree(renamed, ignore_errors=True)


def _hidden_name(path: Path, beginning: str) -> Path:
    return path.with_name(f"{beginning}{uuid.uuid4().hex[:8]}{TEMPORARY_MARK}")


def is_disk_full(error: BaseException) -> bool:
    """Return True if an error means that the disk or the quota is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def os_errors_as_input_errors(sentence: str) -> Iterator[None]:
    """Turn a failed write into a message that says what failed, why, and what to do.

    Args:
        sentence: What cannot be done, and where, such as "The votes cannot be stored in
            data/faces".

    Raises:
        InputError: The body raised an ``OSError``.
    """
    try:
        yield
    except OSError as error:
        reason = system_reason(error)
        if is_disk_full(error):
            advice = "free some space and try again"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            advice = "make it writable and try again"
        else:
            advice = "check its permissions and the free space"
        raise InputError(f"{sentence} ({reason}); nothing was changed: {advice}.") from error


def unreadable_path_error(path: Path, error: OSError) -> InputError:
    """Return the error for a file or folder that exists but cannot be opened.

    Its content may be valid, so the message does not advise to delete or replace it.
    """
    reason = system_reason(error)
    return InputError(
        f"{path} cannot be read ({reason}); check its permissions: the user who runs this program "
        "should be allowed to read it."
    )


@contextmanager
def read_errors_as_input_errors(
    path: Path, advice: str, *, damaged: str | None = None, missing: str | None = None
) -> Iterator[None]:
    """Turn a failed read of one of the program's files into a message.

    Args:
        path: The file that the body reads and interprets.
        advice: What to do if the file is damaged, such as "start a new run".
        damaged: The beginning of the message if the file is damaged; by default "PATH is damaged".
        missing: The message if the file does not exist; by default, the message is the one for a
            damaged file.

    Raises:
        InputError: The body raised an exception that a missing, unreadable or damaged file causes.
            An ``InputError`` of the body is not changed.
    """
    try:
        yield
    except InputError:
        raise
    except PermissionError as error:
        raise unreadable_path_error(path, error) from error
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        if missing is not None and isinstance(error, FileNotFoundError):
            raise InputError(missing) from error
        what = damaged or f"{path} is damaged"
        raise InputError(f"{what} ({first_line(error)}); {advice}.") from error


def read_lines(path: Path, what: str, item: str) -> list[str]:
    """Return the lines of a text file that the user named, without empty lines and outer spaces.

    Args:
        path: The file, in UTF-8.
        what: What the file contains, as the beginning of the message, such as "The keys in".
        item: What each line contains, for the message, such as "key".

    Raises:
        InputError: The file cannot be read, is not text, or is larger than 1 GB.
    """
    try:
        if path.stat().st_size > _MAX_LINES_BYTES:
            raise InputError(
                f"{path} is larger than 1 GB; give a text file with one {item} per line."
            )
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = system_reason(error) if isinstance(error, OSError) else "not UTF-8 text"
        raise InputError(
            f"{what} {path} cannot be read ({reason}); give a text file with one {item} per line."
        ) from error
    return [line.strip() for line in lines if line.strip()]


def existing_path(text: str) -> Path | None:
    """Return the path that a user typed; None if it does not exist.

    The path may begin with ``~``, the home folder. The result is also None if the text cannot be a
    path, because it is too long or contains the home folder of an unknown user.
    """
    if not text:
        return None  # Path("") would be the current folder
    try:
        path = Path(text).expanduser()
        return path if path.exists() else None
    except (OSError, RuntimeError, ValueError):
        return None


def existing_user_path(text: str) -> Path | None:
    """Return the path in a text that was copied from another program; None if it does not exist."""
    paths = (existing_path(candidate) for candidate in path_candidates(text))
    return next((path for path in paths if path is not None), None)


def path_candidates(text: str) -> tuple[str, ...]:
    """Return the paths that a copied text may mean; the unchanged text is the first one.

    Programs add quotes or spaces around a path, terminals add backslashes before spaces, and Macs
    decompose accented letters.
    """
    plain = unquoted_path(text)
    forms = (unicodedata.normalize("NFC", plain), unicodedata.normalize("NFD", plain))
    return tuple(dict.fromkeys((text, plain, plain.replace("\\ ", " "), *forms)))


def unquoted_path(text: str) -> str:
    """Return a path without the spaces, quotes and ``file://`` around it."""
    text = text.strip()
    for quotes in ('""', "''", "``", "\u201c\u201d", "\u2018\u2019"):
        if len(text) > 1 and text[0] + text[-1] == quotes:
            text = text[1:-1].strip()
    if text.startswith("file://"):
        text = unquote(text.removeprefix("file://").removeprefix("localhost"))
    return text


def write_text(path: Path, text: str) -> None:
    """Replace a text file."""
    with atomic_write_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, document: Any) -> None:
    """Replace a JSON file."""
    write_text(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def parse_json(text: str) -> Any:
    """Parse a JSON document from an untrusted source.

    Raises:
        ValueError: The text is not JSON, is nested too deeply, or contains a number that is too
            large.
    """
    try:
        return json.loads(text, parse_int=_whole_number)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _whole_number(digits: str) -> int:
    if len(digits) > 300:  # beyond the range of floating-point numbers
        raise ValueError("a number in it is too large")
    return int(digits)


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file is not UTF-8 text, or ``parse_json`` rejects its content.
    """
    return parse_json(path.read_text(encoding="utf-8"))


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read a file of arrays written by ``np.savez``. Arrays of Python objects are rejected.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file is damaged, or ``np.savez`` did not write it.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = dict(archive)
    except OSError:
        raise
    except Exception as error:
        # NumPy raises many different exception types for damaged files.
        raise ValueError(first_line(error)) from error
    if not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise ValueError("it contains something other than arrays")
    return arrays


def write_new_json(path: Path, document: Any) -> bool:
    """Create a JSON file unless it exists.

    If the file system has hard links, no other process ever sees an incomplete file.

    Returns:
        True if this call created the file. False if the file existed, even if another process has
        only just created it; an existing file is not changed.
    """
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    temporary = path.with_name(
        f".{path.name}.{os.getpid()}-{threading.get_ident()}{TEMPORARY_MARK}"
    )
    try:
        write_text(temporary, text)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError:
            # The file system has no hard links. Other processes may see an incomplete file for a
            # moment, but an existing file is never replaced.
            return _write_exclusively(path, text)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _write_exclusively(path: Path, text: str) -> bool:
    try:
        file = path.open("x", encoding="utf-8")
    except FileExistsError:
        return False
    try:
        with file:
            file.write(text)
    except BaseException:
        path.unlink(missing_ok=True)  # an incomplete file would be reported as damaged
        raise
    return True
