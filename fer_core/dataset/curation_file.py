"""``data/<name>/curation.csv``: the decisions about a dataset's images, reversible.

Several tabs and processes may change it at once. ``curation-undo.json`` next to it records what the
last changes replaced. Both are written under the dataset's lock, each by a rename.
"""

from __future__ import annotations

import hashlib
import json
import uuid
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
from fer_core.dataset.imported import stored_classes
from fer_core.dataset.locking import dataset_lock
from fer_core.dataset.store import folder_of_data
from fer_core.errors import InputError, system_reason
from fer_core.files import os_errors_as_input_errors, read_json, replaced_file
from fer_core.phrases import counted
from fer_core.settings import Settings

CURATION_FILE = "curation.csv"
_UNDO_FILE = "curation-undo.json"
_UNREADABLE_FILE = "curation-unreadable.csv"

#: Number of batches that can be undone one after the other.
UNDO_DEPTH = 20

_PAST_TENSE = {"drop": "dropped", "relabel": "relabeled", "keep": "kept"}

_Entries = dict[Identity, CurationEntry]


@dataclass(frozen=True)
class CurationChange:
    """The effect of a change.

    Attributes:
        summary: For a message: "312 images dropped".
        added: Images that had no decision before.
        replaced: Images whose decision is a different one now.
        removed: Images that no longer have a decision.
        curation: All decisions after the change.
    """

    summary: str
    added: int
    replaced: int
    removed: int
    curation: Curation


@dataclass(frozen=True)
class CurationImport:
    """The result of importing a curation file.

    Attributes:
        change: What it changed.
        problems: A sentence for each line that could not be read.
        warning: A sentence about images that the dataset does not have; None if there are none.
            Their decisions are kept, and apply as soon as the dataset has the images.
    """

    change: CurationChange
    problems: tuple[str, ...]
    warning: str | None


@dataclass(frozen=True)
class CurationBatch:
    """A change that can be undone or redone as a whole.

    Attributes:
        id: Identifies the batch; pass it to ``undo`` or ``redo``.
        summary: For a button: "312 images dropped".
    """

    id: str
    summary: str


@dataclass(frozen=True)
class _Batch:
    """A recorded change.

    Attributes:
        id: Identifies it.
        summary: What was done, such as "312 images dropped".
        before: For each changed image its earlier decision, or None.
        undoes_images: Whether it is the undo of single images, by ``undo_images``.
    """

    id: str
    summary: str
    before: dict[Identity, CurationEntry | None]
    undoes_images: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the document that ``from_json`` reads."""
        before = [
            [*identity, None if entry is None else asdict(entry)]
            for identity, entry in sorted(self.before.items())
        ]
        document: dict[str, Any] = {"id": self.id, "words": self.summary, "before": before}
        return document | ({"undoes_images": True} if self.undoes_images else {})

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> _Batch:
        """Read a recorded batch, of this or of an earlier version.

        Raises:
            ValueError, KeyError, TypeError: It is damaged.
        """
        before: dict[Identity, CurationEntry | None] = {}
        for name, key, values in document["before"]:
            if not isinstance(name, str) or not isinstance(key, str):
                raise TypeError("name and key should be text")
            before[name, key] = CurationEntry(**values) if values else None
        # Earlier versions recorded no id.
        text = json.dumps(document["before"])
        number = document.get("id") or hashlib.sha256(text.encode()).hexdigest()[:16]
        is_undo = document.get("undoes_images") is True
        return cls(str(number), str(document["words"]), before, is_undo)


@dataclass(frozen=True)
class _History:
    """Batches that can be undone, and undone ones that can be redone; the next one is last."""

    done: tuple[_Batch, ...] = ()
    undone: tuple[_Batch, ...] = ()


def curation_file(data: str, settings: Settings) -> CurationFile | None:
    """Return the curation of an imported dataset, or of the demo set after its first use.

    Args:
        data: As for ``load_dataset``.
        settings: Where ``data/`` is.

    Returns:
        None for a dataset that is read from a path without being imported: it has no curation.

    Raises:
        InputError: There is neither such a dataset nor such a path.
    """
    folder = folder_of_data(data, settings)
    return None if folder is None else CurationFile(folder)


class CurationFile:
    """The decisions about one imported dataset, on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / CURATION_FILE

    @property
    def content_key(self) -> tuple[str | int, ...]:
        """A key for caches, which changes whenever the decisions change."""
        try:
            stat = self.path.stat()
        except OSError:
            return (str(self.path),)
        return str(self.path), stat.st_mtime_ns, stat.st_size, stat.st_ino

    def read(self) -> Curation:
        """Return the decisions; none if there is no file.

        Raises:
            InputError: The file cannot be read or is not a curation file.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return Curation()
        except OSError as error:
            raise InputError(
                f"{self.path} cannot be read ({system_reason(error)}); make it readable."
            ) from error
        return parse_curation(content, self.path.name, stored_classes(self.folder))

    def change(self, entries: Iterable[CurationEntry]) -> CurationChange:
        """Decide on images, in one batch; earlier decisions about the same images are replaced.

        Raises:
            InputError: The dataset was deleted, or the file cannot be read or written.
        """
        new = {entry.identity: entry for entry in entries}
        return self.change_with(lambda _: new.values())

    def change_with(self, decide: Callable[[Curation], Iterable[CurationEntry]]) -> CurationChange:
        """Decide on images depending on the earlier decisions, in one batch.

        No other process can change the earlier decisions in the meantime.

        Args:
            decide: Returns the new decisions, given all earlier ones. It may raise to change
                nothing.

        Raises:
            InputError: The dataset was deleted, or the file cannot be read or written.
        """

        def compute(old: _Entries) -> tuple[_Entries, str]:
            entries = tuple(decide(Curation(tuple(old.values()))))
            new = {entry.identity: entry for entry in entries}
            return old | new, _counts_text(new.values())

        return self._update(compute)

    def remove(self, identities: Iterable[Identity]) -> CurationChange:
        """Remove decisions, in one batch.

        Args:
            identities: Names and keys of the images, as an entry's ``identity``.

        Raises:
            InputError: The dataset was deleted, or the file cannot be read or written.
        """
        removed = set(identities)

        def compute(old: _Entries) -> tuple[_Entries, str]:
            count = len(removed & old.keys())
            summary = f"{counted(count, 'decision')} removed"
            return {key: entry for key, entry in old.items() if key not in removed}, summary

        return self._update(compute)

    def undo_images(self, identities: Iterable[Identity]) -> CurationChange:
        """Undo the last decision about each of these images and no other image, in one batch.

        The decision before it applies again, or none if there was none. Without a recorded change
        the decision is removed.

        Args:
            identities: Names and keys of the images, as an entry's ``identity``.

        Raises:
            InputError: The dataset was deleted, or the file cannot be read or written.
        """
        chosen = set(identities)

        def compute(old: _Entries) -> tuple[_Entries, str]:
            earlier = _earlier_decisions(self._read_history().done, chosen)
            new = _with_decisions(old, {identity: earlier.get(identity) for identity in chosen})
            return new, f"decision about {counted(len(chosen), 'image')} undone"

        return self._update(compute, undoes_images=True)

    def import_csv(self, content: bytes, label: str, face_set: FaceSet) -> CurationImport:
        """Add the decisions of an exported file, in one batch.

        Args:
            content: The file.
            label: Its name in messages.
            face_set: The dataset, to report images that it does not have.

        Raises:
            InputError: It is not a curation file, or nothing in it can be read.
        """
        curation = parse_curation(content, label, face_set.classes)
        if not curation.entries:
            reason = curation.problems[0] if curation.problems else f"{label} has no decisions."
            raise InputError(f"Nothing was imported. {reason}")
        warning = match_curation(curation, face_set).warning
        return CurationImport(self.change(curation.entries), curation.problems, warning)

    def undoable(self) -> CurationBatch | None:
        """Return the batch that ``undo`` would undo; None if there is none."""
        return _last(self._read_history().done)

    def redoable(self) -> CurationBatch | None:
        """Return the batch that ``redo`` would apply again; None if there is none."""
        return _last(self._read_history().undone)

    def undo(self, batch_id: str | None = None) -> CurationChange:
        """Undo the last batch of changes.

        Args:
            batch_id: The batch to undo. If it is no longer the last one, because someone else has
                changed the curation since, nothing is changed. By default the last batch.

        Raises:
            InputError: There is nothing to undo, another batch is the last one, or the dataset was
                deleted.
        """
        with self._locked():
            history = self._read_history()
            if not history.done:
                raise InputError("There is no change of the curation left to undo.")
            change, undone = self._apply_batch(history.done[-1], "undone", batch_id)
            self._write(change.curation, _History(history.done[:-1], (*history.undone, undone)))
            return change

    def redo(self, batch_id: str | None = None) -> CurationChange:
        """Apply the last undone batch again.

        Args:
            batch_id: The batch to apply; see ``undo``.

        Raises:
            InputError: There is nothing to redo, another batch is the last one, or the dataset was
                deleted.
        """
        with self._locked():
            history = self._read_history()
            if not history.undone:
                raise InputError("There is no change of the curation left to redo.")
            change, done = self._apply_batch(history.undone[-1], "redone", batch_id)
            self._write(change.curation, _History((*history.done, done), history.undone[:-1]))
            return change

    def _apply_batch(
        self, batch: _Batch, verb: str, expected_id: str | None
    ) -> tuple[CurationChange, _Batch]:
        """Restore the decisions in ``batch.before``.

        Args:
            batch: The last batch of the history.
            verb: What happens to it: "undone" or "redone".
            expected_id: The batch that the caller means; None for the last one.

        Returns:
            The change, and the batch that reverts it.
        """
        _check_last(batch, expected_id, verb)
        old = self._entries()
        replaced = {identity: old.get(identity) for identity in batch.before}
        new = _with_decisions(old, batch.before)
        opposite = _Batch(batch.id, batch.summary, replaced, batch.undoes_images)
        return _change_between(old, new, f"{verb}: {batch.summary}"), opposite

    def _update(
        self,
        compute: Callable[[_Entries], tuple[_Entries, str]],
        *,
        undoes_images: bool = False,
    ) -> CurationChange:
        with self._locked():
            old = self._entries()
            new, summary = compute(old)
            touched = [key for key in old.keys() | new.keys() if old.get(key) != new.get(key)]
            change = _change_between(old, new, summary)
            if touched:
                before = {identity: old.get(identity) for identity in touched}
                batch = _Batch(uuid.uuid4().hex[:16], summary, before, undoes_images)
                done = (*self._read_history().done, batch)
                self._write(change.curation, _History(done[-UNDO_DEPTH:]))
            return change

    def _entries(self) -> _Entries:
        curation = self.read()
        if curation.unreadable:
            self._keep_unreadable(curation)
        return {entry.identity: entry for entry in curation.entries}

    def _keep_unreadable(self, curation: Curation) -> None:
        """Append unreadable lines to their own file before the curation is written without them."""
        path = self.folder / _UNREADABLE_FILE
        earlier = path.read_bytes().decode(errors="replace") if path.is_file() else ""
        if earlier and not earlier.endswith("\n"):
            earlier += "\n"
        text = "".join(line.rstrip("\r\n") + "\n" for line in curation.unreadable)
        # An earlier process may have written this file and been killed before it wrote the
        # curation.
        if not earlier.endswith(text):
            with replaced_file(path) as temporary:
                temporary.write_text(earlier + text, encoding="utf-8")

    def _write(self, curation: Curation, history: _History) -> None:
        """Replace the decisions and the history, or, on a full disk, neither of them.

        The file of the decisions is renamed first: if the process is killed in between, the change
        is stored but cannot be undone.
        """
        document = {
            "batches": [batch.to_json() for batch in history.done],
            "undone": [batch.to_json() for batch in history.undone],
        }
        with replaced_file(self.folder / _UNDO_FILE) as undo, replaced_file(self.path) as table:
            undo.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
            table.write_text(curation_csv(curation), encoding="utf-8")

    def _read_history(self) -> _History:
        """Return what can be undone and redone; nothing if the file is missing or damaged."""
        try:
            document = read_json(self.folder / _UNDO_FILE)
            return _History(
                tuple(_Batch.from_json(batch) for batch in document["batches"]),
                tuple(_Batch.from_json(batch) for batch in document.get("undone", [])),
            )
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return _History()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other tabs and processes from changing the files at the same time.

        Raises:
            InputError: The dataset was deleted, or its folder cannot be written.
        """
        failure = f"The curation in {self.folder} cannot be written"
        with os_errors_as_input_errors(failure), dataset_lock(self.folder):
            yield


def _last(batches: tuple[_Batch, ...]) -> CurationBatch | None:
    return CurationBatch(batches[-1].id, batches[-1].summary) if batches else None


def _check_last(batch: _Batch, batch_id: str | None, done: str) -> None:
    if batch_id is not None and batch.id != batch_id:
        raise InputError(
            f"Nothing was {done}: the curation has changed since, and the last change is now "
            f"“{batch.summary}”. Check it, then press the button again."
        )


def _with_decisions(old: _Entries, decisions: dict[Identity, CurationEntry | None]) -> _Entries:
    """Return the entries with these decisions; None removes an image's decision."""
    new = dict(old)
    for identity, entry in decisions.items():
        if entry is None:
            new.pop(identity, None)
        else:
            new[identity] = entry
    return new


def _earlier_decisions(
    batches: tuple[_Batch, ...], identities: set[Identity]
) -> dict[Identity, CurationEntry | None]:
    """Return each image's decision before its last one, as far as recorded."""
    earlier: dict[Identity, list[CurationEntry | None]] = {}
    for batch in batches:
        for identity in batch.before.keys() & identities:
            decisions = earlier.setdefault(identity, [])
            if not batch.undoes_images:
                decisions.append(batch.before[identity])
            elif decisions:
                decisions.pop()
    return {identity: decisions[-1] for identity, decisions in earlier.items() if decisions}


def _counts_text(entries: Iterable[CurationEntry]) -> str:
    counts = dict.fromkeys(ACTIONS, 0)
    for entry in entries:
        counts[entry.action] += 1
    parts = [
        f"{counted(count, 'image')} {_PAST_TENSE[action]}"
        for action, count in counts.items()
        if count
    ]
    return ", ".join(parts) or "nothing changed"


def _change_between(old: _Entries, new: _Entries, summary: str) -> CurationChange:
    both = old.keys() & new.keys()
    return CurationChange(
        summary=summary,
        added=len(new.keys() - old.keys()),
        replaced=sum(old[key] != new[key] for key in both),
        removed=len(old.keys() - new.keys()),
        curation=Curation(tuple(new.values())),
    )
