"""Files: written so that a reader sees the old content or the new, never half of it; and read."""

import json
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
    temporary = path.with_name(f".{path.stem}.{writer}{path.suffix}")
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
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    # mkdtemp makes it private to this user; what it becomes should be as readable as its parent.
    temporary.chmod(path.parent.stat().st_mode & 0o777)
    try:
        yield temporary
        if path.exists():
            outdated = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.parent))
            path.replace(outdated / path.name)
            temporary.replace(path)
            shutil.rmtree(outdated, ignore_errors=True)
        else:
            temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


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


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no JSON in UTF-8, or nested more deeply than any file of ours.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def write_text(path: Path, text: str) -> None:
    """Replace a text file."""
    with replaced_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, document: Any) -> None:
    """Replace a JSON file."""
    write_text(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def write_new_json(path: Path, document: Any) -> bool:
    """Write a JSON file where there is none, whole from the first moment.

    Returns:
        False where there is one already, which stays as it is, even if it came this very moment.
    """
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    whole = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        write_text(whole, text)
        os.link(whole, path)
    except FileExistsError:
        return False
    except OSError:
        # A file system without links: then not whole at once, but still nobody else's.
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            return False
    finally:
        whole.unlink(missing_ok=True)
    return True
