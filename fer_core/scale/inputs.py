"""List the files of a job, from paths, folders, patterns, lists and addresses of object stores."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fer_core.errors import InputError, system_reason
from fer_core.files import read_lines
from fer_core.scale.stores import ListedFile, Store, is_address
from fer_core.skipped_names import is_skipped_folder, is_skipped_path

_PATTERN_CHARACTERS = frozenset("*?[")


@dataclass(frozen=True)
class Item:
    """A file of a job.

    Attributes:
        file: Path or address of the file.
        size: Size in bytes; None if unknown, for example because the file does not exist.
        modified: Time of the last change in nanoseconds; None if unknown.
    """

    file: str
    size: int | None = None
    modified: int | None = None

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return self.file.rpartition("/")[2] if is_address(self.file) else Path(self.file).name


def is_pattern(text: str) -> bool:
    """Return True for a pattern such as ``photos/**/*.jpg``; an existing path is not a pattern."""
    has_wildcard = bool(_PATTERN_CHARACTERS & set(text))
    return has_wildcard and (is_address(text) or not os.path.lexists(_expanded(text)))


def list_items(
    inputs: Sequence[str], lists: Sequence[Path] = (), extensions: Collection[str] = ()
) -> Iterator[Item]:
    """Yield the files of a job, each once, in the order of the inputs.

    Of a folder, all files at any depth are yielded, except those that ``skipped_names`` describes.
    A path that does not exist is yielded as well, so that it gets a row with a message.

    Args:
        inputs: Paths, folders, patterns and addresses.
        lists: Paths of text files with one input per line. Relative paths are relative to the
            current folder.
        extensions: File name extensions in lower case, without a dot. In folders, files with other
            extensions are left out. If ``extensions`` is empty, no file is left out.

    Raises:
        InputError: A list or a store cannot be read; no file matches a pattern; there is no file at
            an address; or there are no lists, and none of the inputs exists.
    """
    if inputs and not lists and not any(map(_may_exist, inputs)):
        raise InputError(f"{inputs[0]} does not exist; check the path.")
    seen: set[str] = set()
    for text in _all_inputs(inputs, lists):
        for item in _files_of_input(text, extensions):
            if item.file not in seen:
                seen.add(item.file)
                yield item


def _may_exist(text: str) -> bool:
    """Return False for a path that does not exist, and True for every pattern and address."""
    return is_address(text) or is_pattern(text) or os.path.lexists(_expanded(text))


def _all_inputs(inputs: Sequence[str], lists: Sequence[Path]) -> Iterator[str]:
    """Yield the inputs, and then the lines of all lists."""
    yield from inputs
    for path in lists:
        yield from read_lines(path, "The list", "file")


def _files_of_input(text: str, extensions: Collection[str]) -> Iterator[Item]:
    if is_address(text):
        yield from _files_at_address(text, extensions)
    elif is_pattern(text):
        # Path.glob does not support absolute patterns, and Path would remove the slash at the end,
        # with which a pattern matches only folders.
        pattern = os.path.expanduser(text)  # noqa: PTH111
        paths = glob.glob(pattern, recursive=True)  # noqa: PTH207
        if not paths:
            raise InputError(f"No file matches {text!r}; check the pattern.")
        for path in sorted(paths, key=lambda path: Path(path).parts):
            if not _is_skipped_match(path, pattern):
                yield from _local_files(path, extensions)
    else:
        yield from _local_files(_expanded(text), extensions)


def _expanded(text: str) -> str:
    """Return a path or pattern with the user's home folder in place of "~"."""
    try:
        return str(Path(text).expanduser())
    except RuntimeError:
        return text  # there is no user with the name that follows "~"


def _is_skipped_match(path: str, pattern: str) -> bool:
    """Return True for a path with a skipped name, such as a file in a folder ``__MACOSX``.

    Names that the pattern itself contains are not skipped.
    """
    named = {*Path(pattern).parts}
    # Hidden names need no check here, because glob finds them only if the pattern contains the dot.
    parts = [part for part in Path(path).parts if part not in named and not part.startswith(".")]
    # The path itself may be a folder.
    return bool(parts) and (is_skipped_path(parts) or is_skipped_folder(parts[-1]))


def _local_files(path: str, extensions: Collection[str]) -> Iterator[Item]:
    if Path(path).is_dir():
        yield from _files_in_folder(path, extensions)
    else:
        yield _item(path)


def _files_in_folder(folder: str, extensions: Collection[str]) -> Iterator[Item]:
    from fer_core.vision.picture_files import files_in

    for path in files_in(Path(folder)):
        if _has_extension(path.name, extensions):
            yield _item(str(path))


def _has_extension(name: str, extensions: Collection[str]) -> bool:
    """Return True if a name has one of the extensions, or if there are no extensions."""
    return not extensions or name.rpartition(".")[2].lower() in extensions


def _item(path: str) -> Item:
    try:
        state = Path(path).stat()
    except (OSError, ValueError):
        return Item(path)
    return Item(path, state.st_size, state.st_mtime_ns)


def _files_at_address(address: str, extensions: Collection[str]) -> Iterator[Item]:
    store = Store(address)
    try:
        listed: list[ListedFile] = list(
            store.matches(address) if is_pattern(address) else store.files(address)
        )
    except FileNotFoundError as error:
        raise InputError(f"There are no files at {address}; check the address.") from error
    except OSError as error:
        raise InputError(
            f"{address} cannot be read ({system_reason(error)}); check the address "
            "and the access rights."
        ) from error
    if not listed:
        raise InputError(f"There are no files at {address}; check the address.")
    parent = _folder_of(address)
    for file in listed:
        name = file.address.rpartition("/")[2]
        is_wanted = is_pattern(address) or _has_extension(name, extensions)
        is_skipped = is_skipped_path(file.address.removeprefix(parent).split("/"))
        # A file that the user names is never left out.
        if file.address == address or (is_wanted and not is_skipped):
            yield Item(file.address, file.size)


def _folder_of(address: str) -> str:
    """Return the folder at an address; for a pattern, the last folder before a wildcard."""
    if not is_pattern(address):
        return f"{address.rstrip('/')}/"
    before_wildcard = re.split(r"[*?[]", address)[0]
    return before_wildcard[: before_wildcard.rindex("/") + 1]
