"""``data/<name>/curation.csv``: kept for several tabs and processes, and reversible.

Beside it lies ``curation-undo.json``, what the last changes replaced. Both are written under a
lock, each by a rename; the undo record goes first, because undoing a change that was never made
does nothing.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fer_core.dataset.curation import (
    ACTIONS,
    Curation,
    CurationEntry,
    Identity,
    match_curation,
)
from fer_core.dataset.curation_csv import curation_csv, parse_curation
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.imported import is_imported
from fer_core.dataset.store import import_folder
from fer_core.errors import InputError
from fer_core.files import os_errors_as_input_errors, read_json, replaced_file
from fer_core.settings import Settings

CURATION_FILE = "curation.csv"
_UNDO_FILE = "curation-undo.json"
_LOCK_FILE = ".curation.lock"
_UNREADABLE_FILE = "curation-unreadable.csv"

#: How many changes can be taken back, one after the other.
UNDO_DEPTH = 20

#: Two visitors are two threads of one process; where there are no file locks this must do.
_CHANGING = threading.Lock()

_PAST = {"drop": "dropped", "relabel": "relabelled", "keep": "kept"}


@dataclass(frozen=True)
class CurationChange:
    """What a change did.

    Attributes:
        in_words: For a message: "312 images dropped".
        added: Images that had no decision before.
        replaced: Images whose decision is another now.
        removed: Images that have no decision any more.
        curation: All decisions as they stand now.
    """

    in_words: str
    added: int
    replaced: int
    removed: int
    curation: Curation


@dataclass(frozen=True)
class CurationImport:
    """What came of importing a curation file.

    Attributes:
        change: What it changed.
        problems: A sentence for each line that could not be read.
        warning: A sentence about images that the dataset does not have; None if there are none.
            Their decisions are kept, and count once the images are there.
    """

    change: CurationChange
    problems: tuple[str, ...]
    warning: str | None


def curation_file(data: str, settings: Settings) -> CurationFile | None:
    """The curation of an imported dataset, or of the demo set once it is drawn.

    Args:
        data: As for ``load_dataset``.
        settings: Where ``data/`` is.

    Returns:
        None for a dataset that is read from a path without being imported: it has no curation.

    Raises:
        InputError: There is neither such a dataset nor such a path.
    """
    folder = import_folder(data, settings)
    return None if folder is None else CurationFile(folder)


class CurationFile:
    """The decisions about one imported dataset, on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / CURATION_FILE

    @property
    def content_key(self) -> tuple[str | int, ...]:
        """Changes whenever the decisions do: a key for caches."""
        try:
            facts = self.path.stat()
        except OSError:
            return (str(self.path),)
        return str(self.path), facts.st_mtime_ns, facts.st_size, facts.st_ino

    def read(self) -> Curation:
        """The decisions; none without a file.

        Raises:
            InputError: The file cannot be read or is no curation.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return Curation()
        except OSError as error:
            raise InputError(
                f"{self.path} cannot be read ({error.strerror}); make it readable."
            ) from error
        return parse_curation(content, self.path.name)

    def change(self, entries: Iterable[CurationEntry]) -> CurationChange:
        """Decide on images, in one batch; what stood for the same images is replaced.

        Raises:
            InputError: The dataset is gone, or the file cannot be read or written.
        """
        new = {entry.identity: entry for entry in entries}

        def changed(
            old: dict[Identity, CurationEntry],
        ) -> tuple[dict[Identity, CurationEntry], str]:
            return old | new, _in_words(new.values())

        return self._changed(changed)

    def remove(self, identities: Iterable[Identity]) -> CurationChange:
        """Take single decisions back, in one batch.

        Args:
            identities: Names and keys of the images, as an entry's ``identity`` gives them.

        Raises:
            InputError: The dataset is gone, or the file cannot be read or written.
        """
        gone = set(identities)

        def changed(
            old: dict[Identity, CurationEntry],
        ) -> tuple[dict[Identity, CurationEntry], str]:
            count = len(gone & old.keys())
            words = f"{count:,} decision{'' if count == 1 else 's'} taken back"
            return {key: entry for key, entry in old.items() if key not in gone}, words

        return self._changed(changed)

    def import_csv(self, content: bytes, label: str, face_set: FaceSet) -> CurationImport:
        """Add the decisions of an exported file, in one batch.

        Args:
            content: The file.
            label: What messages call it.
            face_set: The dataset, to say which images it does not have.

        Raises:
            InputError: It is no curation file, or nothing in it can be read.
        """
        curation = parse_curation(content, label)
        if not curation.entries:
            reason = curation.problems[0] if curation.problems else f"{label} has no decisions."
            raise InputError(f"Nothing was imported. {reason}")
        warning = match_curation(curation, face_set).warning
        return CurationImport(self.change(curation.entries), curation.problems, warning)

    def undoable(self) -> str | None:
        """What ``undo`` would take back, in words; None if there is nothing."""
        batches = self._read_undo()
        return str(batches[-1]["words"]) if batches else None

    def undo(self) -> CurationChange:
        """Take the last batch of changes back, images decided on since by hand included.

        Raises:
            InputError: There is nothing to take back, or the dataset is gone.
        """
        with self._held():
            batches = self._read_undo()
            if not batches:
                raise InputError("There is no change of the curation left to take back.")
            batch = batches[-1]
            before = [
                ((str(name), str(key)), CurationEntry(**values) if values else None)
                for name, key, values in batch["before"]
            ]
            old = self._entries()
            new = dict(old)
            for identity, entry in before:
                if entry is None:
                    new.pop(identity, None)
                else:
                    new[identity] = entry
            change = _change(old, new, f"taken back: {batch['words']}")
            self._write(new, batches[:-1])
            return change

    def _changed(
        self,
        changed: Callable[
            [dict[Identity, CurationEntry]], tuple[dict[Identity, CurationEntry], str]
        ],
    ) -> CurationChange:
        with self._held():
            old = self._entries()
            new, words = changed(old)
            touched = [key for key in old.keys() | new.keys() if old.get(key) != new.get(key)]
            change = _change(old, new, words)
            if touched:
                before = [
                    [*identity, asdict(old[identity]) if identity in old else None]
                    for identity in sorted(touched)
                ]
                batches = [*self._read_undo(), {"words": words, "before": before}]
                self._write(new, batches[-UNDO_DEPTH:])
            return change

    def _entries(self) -> dict[Identity, CurationEntry]:
        curation = self.read()
        if curation.problems:
            # Lines that somebody wrote by hand are not lost when the rest is written anew.
            with replaced_file(self.folder / _UNREADABLE_FILE) as temporary:
                temporary.write_bytes(self.path.read_bytes())
        return {entry.identity: entry for entry in curation.entries}

    def _write(self, entries: dict[Identity, CurationEntry], batches: list[dict[str, Any]]) -> None:
        """Replace the decisions and what can be taken back, or, on a full disk, neither."""
        with replaced_file(self.folder / _UNDO_FILE) as undo, replaced_file(self.path) as curation:
            undo.write_text(json.dumps({"batches": batches}, ensure_ascii=False), encoding="utf-8")
            text = curation_csv(Curation(tuple(entries.values())))
            curation.write_text(text, encoding="utf-8")

    def _read_undo(self) -> list[dict[str, Any]]:
        """The batches that can be taken back, the last one at the end; none if damaged."""
        try:
            document = read_json(self.folder / _UNDO_FILE)
            batches = document["batches"]
            for batch in batches:
                str(batch["words"])
                for name, key, values in batch["before"]:
                    assert isinstance(name, str)
                    assert isinstance(key, str)
                    if values is not None:
                        CurationEntry(**values)
        except (OSError, ValueError, KeyError, TypeError, AssertionError):
            return []
        return list(batches)

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Keep other tabs and processes from changing the files at the same time.

        Raises:
            InputError: The dataset is gone, or its folder cannot be written.
        """
        failure = f"The curation in {self.folder} cannot be written"
        with os_errors_as_input_errors(failure), _CHANGING:
            # A folder that was deleted meanwhile must not come back with a curation alone.
            if not is_imported(self.folder):
                raise InputError(
                    f"The dataset {self.folder.name!r} is not there any more; choose another."
                )
            with (self.folder / _LOCK_FILE).open("wb") as file:
                _lock(file.fileno())
                yield


def _lock(descriptor: int) -> None:
    """Wait until no other process holds the lock; closing the file lets it go."""
    try:
        import fcntl
    except ImportError:
        return  # Windows has no such locks; the threads of the app still wait for each other
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def _in_words(entries: Iterable[CurationEntry]) -> str:
    counts = dict.fromkeys(ACTIONS, 0)
    for entry in entries:
        counts[entry.action] += 1
    parts = [
        f"{count:,} image{'' if count == 1 else 's'} {_PAST[action]}"
        for action, count in counts.items()
        if count
    ]
    return ", ".join(parts) or "nothing changed"


def _change(
    old: dict[Identity, CurationEntry], new: dict[Identity, CurationEntry], words: str
) -> CurationChange:
    both = old.keys() & new.keys()
    return CurationChange(
        in_words=words,
        added=len(new.keys() - old.keys()),
        replaced=sum(old[key] != new[key] for key in both),
        removed=len(old.keys() - new.keys()),
        curation=Curation(tuple(new.values())),
    )
