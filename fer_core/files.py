"""Files: written so that a reader sees the old content or the new, never half of it; and read.

What is under way is hidden and carries ``PART`` in its name; ``fer_core.stale_files`` clears away
what a process that died left of it.
"""

import errno
import json
import os
import re
import shutil
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.errors import InputError, first_line

#: In the names of files and folders that are being written or removed.
PART = ".fer-part"

#: In a temporary folder: locked as long as the process that fills the folder is alive.
WRITER_LOCK = ".writer.lock"

#: Between a folder's name and the rest, while another one takes its place.
OUTDATED = ".old."
_NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

#: What ``is_plain_name`` asks for, behind "use".
PLAIN_NAME = (
    "up to 64 letters, digits, dots, dashes and underscores, beginning with a letter or digit"
)


def is_plain_name(text: str) -> bool:
    """Whether a text can name a folder of ours: it is no path, and safe on every system."""
    return _NAME_PATTERN.fullmatch(text) is not None


def plain_name(text: str) -> str:
    """What of a text can stand in such a name, ``FER 2013 (1)`` as ``FER-2013-1``; may be empty."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:64]


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` to write to, and rename it to ``path`` at the end.

    If the body raises, the temporary file is removed and ``path`` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Keeping the suffix matters: Keras chooses the format by it. Two visitors of the app are two
    # threads of one process.
    writer = f"{os.getpid()}-{threading.get_ident()}"
    temporary = path.with_name(f".{path.stem}.{writer}{PART}{path.suffix}")
    try:
        yield temporary
        # Without this a power cut could leave the new name with none of the new content.
        descriptor = os.open(temporary, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replaced_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside ``path`` to fill, and rename it to ``path`` at the end.

    A folder already at ``path`` is replaced. If the body raises, ``path`` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _hidden_folder(path)
    try:
        yield temporary
        if path.exists():
            outdated = _hidden_name(path, f".{path.name}{OUTDATED}")
            path.rename(outdated)
            # A process that dies here leaves the name empty; remove_stale_temp_files restores it.
            try:
                temporary.replace(path)
            except BaseException:
                outdated.rename(path)
                raise
            shutil.rmtree(outdated, ignore_errors=True)
        else:
            temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder next to ``path`` to fill, and rename it to ``path`` at the end.

    If the body raises, the temporary folder is removed.

    Raises:
        FileExistsError: Something is at ``path``, even if another thread or process put it there a
            moment ago. It stays as it is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _hidden_folder(path)
    try:
        yield temporary
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        try:
            # A rename never replaces a folder with content, nor a file.
            temporary.rename(path)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise FileExistsError(error.errno, error.strerror, str(path)) from error
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _hidden_folder(path: Path) -> Path:
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=PART, dir=path.parent))
    # mkdtemp makes it private to this user. It becomes as readable as its parent folder.
    temporary.chmod(path.parent.stat().st_mode & 0o777)
    return temporary


@contextmanager
def temporary_folder(name: str, parent: Path) -> Iterator[Path]:
    """Create a hidden folder in ``parent`` and remove it with its content at the end.

    A lock on a file in it shows that its process is alive; the system releases it when the process
    ends in any way. ``fer_core.stale_files`` then removes the folder.
    """
    # Imported here because it takes a tenth of a second to load.
    from filelock import FileLock

    with (
        tempfile.TemporaryDirectory(prefix=f".{name}.", suffix=PART, dir=parent) as folder,
        FileLock(Path(folder, WRITER_LOCK)),
    ):
        yield Path(folder)


def delete_folder(path: Path) -> None:
    """Remove a folder: gone at once for everyone who looks, however long the removal takes.

    Nothing new is made for it, so that it works on a full disk.

    Raises:
        OSError: The system refuses, and the folder stays.
    """
    doomed = _hidden_name(path, ".deleted.")
    path.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def _hidden_name(path: Path, beginning: str) -> Path:
    return path.with_name(f"{beginning}{uuid.uuid4().hex[:8]}{PART}")


def is_disk_full(error: BaseException) -> bool:
    """Whether an error says that nothing more can be written."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def os_errors_as_input_errors(sentence: str) -> Iterator[None]:
    """Say for people what the system has refused to write, why, and what to do.

    Args:
        sentence: What cannot be done, and where: "The votes cannot be kept in data/faces".

    Raises:
        InputError: The body raised an ``OSError``.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        if is_disk_full(error):
            remedy = "free some space and try again"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            remedy = "make it writable and try again"
        else:
            remedy = "check its permissions and the free space"
        raise InputError(f"{sentence} ({reason}); nothing was changed: {remedy}.") from error


def existing_path(text: str) -> Path | None:
    """The path that a person typed (``~`` is home), or None if nothing is there.

    What can be no path at all (too long, another person's unknown home) is nothing too.
    """
    if not text:
        return None  # and not the folder that one happens to be in
    try:
        path = Path(text).expanduser()
        return path if path.exists() else None
    except (OSError, RuntimeError, ValueError):
        return None


def write_text(path: Path, text: str) -> None:
    """Replace a text file."""
    with replaced_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, document: Any) -> None:
    """Replace a JSON file."""
    write_text(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def parse_json(text: str) -> Any:
    """Read a JSON document that anybody may have written.

    Raises:
        ValueError: It is none, it nests too deeply, or a number in it is beyond all measure.
    """
    try:
        return json.loads(text, parse_int=_whole_number)
    except RecursionError as error:
        raise ValueError("it nests too deeply") from error


def _whole_number(digits: str) -> int:
    if len(digits) > 300:  # more than a floating-point number can hold
        raise ValueError("a number in it is too large")
    return int(digits)


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        OSError: It cannot be read.
        ValueError: As for ``parse_json``, or it is no text.
    """
    return parse_json(path.read_text(encoding="utf-8"))


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read a file of arrays that ``np.savez`` wrote, none of them of objects.

    Raises:
        OSError: It cannot be read.
        ValueError: It is damaged or none.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = dict(archive)
    except OSError:
        raise
    except Exception as error:
        # NumPy raises a different type for each way in which a file can be damaged.
        raise ValueError(first_line(error)) from error
    if not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise ValueError("it holds something else than arrays")
    return arrays


def write_new_json(path: Path, document: Any) -> bool:
    """Write a JSON file where there is none, whole from the first moment.

    Returns:
        False where there is one already, which stays as it is, even if it came this very moment.
    """
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    whole = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}{PART}")
    try:
        write_text(whole, text)
        try:
            os.link(whole, path)
        except FileExistsError:
            return False
        except OSError:
            # A file system without links: then not whole at once, but still nobody else's.
            return _write_exclusively(path, text)
    finally:
        whole.unlink(missing_ok=True)
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
        path.unlink(missing_ok=True)  # half of it would pass for a damaged one
        raise
    return True
