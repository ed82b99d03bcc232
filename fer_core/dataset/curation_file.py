"""``data/<name>/curation.csv``: the decisions about a dataset's images, with undo and redo.

Several tabs and processes may change this file at the same time. ``curation-undo.json`` in the same
folder contains the decisions that the last changes replaced. Each file is replaced by a rename
while the lock of the dataset is held.
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
from fer_core.dataset.store import dataset_folder_or_none
from fer_core.errors import InputError, system_reason
from fer_core.files import atomic_write_file, os_errors_as_input_errors, read_json
from fer_core.phrases import counted
from fer_core.settings import Settings

CURATION_FILE = "curation.csv"
_UNDO_FILE = "curation-undo.json"
_UNREADABLE_FILE = "curation-unreadable.csv"

#: Maximum number of recorded batches: a user can undo this many changes one after the other.
UNDO_DEPTH = 20

_PAST_TENSE = {"drop": "dropped", "relabel": "relabeled", "keep": "kept"}

#: Decisions by the identity of their image.
_Entries = dict[Identity, CurationEntry]


@dataclass(frozen=True)
class CurationChange:
    """The effect of a change of the decisions.

    Attributes:
        summary: The change in a few words, for a message: "312 images dropped".
        added: Number of images that had no decision before.
        replaced: Number of images that have a different decision now.
        removed: Number of images that no longer have a decision.
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
        change: The effect of the imported decisions.
        problems: Sentences about lines that could not be read, see ``Curation.problems``.
        warning: A sentence about images that the dataset does not have; None if there are none.
            The decisions about them are stored, too.
    """

    change: CurationChange
    problems: tuple[str, ...]
    warning: str | None


@dataclass(frozen=True)
class CurationBatch:
    """A change that can be undone or redone as a whole.

    Attributes:
        id: Identifies the batch; an argument of ``undo`` and ``redo``.
        summary: The change in a few words, for a button: "312 images dropped".
    """

    id: str
    summary: str


@dataclass(frozen=True)
class _RecordedBatch:
    """A batch with the decisions that it replaced.

    Attributes:
        id: Identifies the batch.
        summary: The change in a few words: "312 images dropped".
        before: The earlier decision about each changed image; None if the image had no decision.
        undoes_images: True if ``undo_images`` made this change.
    """

    id: str
    summary: str
    before: dict[Identity, CurationEntry | None]
    undoes_images: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the batch in the form that ``from_json`` reads."""
        before = [
            [*identity, None if entry is None else asdict(entry)]
            for identity, entry in sorted(self.before.items())
        ]
        document: dict[str, Any] = {"id": self.id, "words": self.summary, "before": before}
        return document | ({"undoes_images": True} if self.undoes_images else {})

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> _RecordedBatch:
        """Read a batch that this version or an earlier version of the program recorded.

        Raises:
            ValueError, KeyError, TypeError: The recorded batch is damaged.
        """
        before: dict[Identity, CurationEntry | None] = {}
        for name, key, values in document["before"]:
            if not isinstance(name, str) or not isinstance(key, str):
                raise TypeError("name and key should be strings")
            before[name, key] = CurationEntry(**values) if values else None
        # Earlier versions recorded no id.
        text = json.dumps(document["before"])
        batch_id = document.get("id") or hashlib.sha256(text.encode()).hexdigest()[:16]
        undoes_images = document.get("undoes_images") is True
        return cls(str(batch_id), str(document["words"]), before, undoes_images)


@dataclass(frozen=True)
class _History:
    """The recorded batches.

    Attributes:
        done: The batches that can be undone; the last one is undone next.
        undone: The batches that were undone and can be redone; the last one is redone next.
    """

    done: tuple[_RecordedBatch, ...] = ()
    undone: tuple[_RecordedBatch, ...] = ()


def curation_file(data: str, settings: Settings) -> CurationFile | None:
    """Return the curation of an imported dataset, or of the demo set after its first use.

    Args:
        data: The name of a dataset or a path, as for ``load_dataset``.
        settings: Contains the path of ``data/``.

    Returns:
        The curation. None for data that are read from a path, because only imported data have a
        curation. Also None for the demo set before its first use, which imports it.

    Raises:
        InputError: There is no such dataset and no such path.
    """
    folder = dataset_folder_or_none(data, settings)
    return None if folder is None else CurationFile(folder)


class CurationFile:
    """The decisions about one imported dataset, on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / CURATION_FILE

    @property
    def content_key(self) -> tuple[str | int, ...]:
        """A cache key, which changes whenever the decisions change."""
        try:
            stat = self.path.stat()
        except OSError:
            return (str(self.path),)
        return str(self.path), stat.st_mtime_ns, stat.st_size, stat.st_ino

    def read(self) -> Curation:
        """Return all decisions; an empty curation if there is no file.

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
        """Store decisions in one batch. They replace earlier decisions about the same images.

        Raises:
            InputError: The dataset was deleted, or the file cannot be read or written.
        """
        new = {entry.identity: entry for entry in entries}
        return self.change_with(lambda _: new.values())

    def change_with(self, decide: Callable[[Curation], Iterable[CurationEntry]]) -> CurationChange:
        """Store decisions that depend on the earlier decisions, in one batch.

        While ``decide`` runs, no other process can change the earlier decisions.

        Args:
            decide: Returns the new decisions, given all earlier ones. If it raises an exception,
                nothing is changed.

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
            identities: The identities of the images.

        Raises:
            InputError: The dataset was deleted, or the file cannot be read or written.
        """
        to_remove = set(identities)

        def compute(old: _Entries) -> tuple[_Entries, str]:
            count = len(to_remove & old.keys())
            summary = f"{counted(count, 'decision')} removed"
            new = {identity: entry for identity, entry in old.items() if identity not in to_remove}
            return new, summary

        return self._update(compute)

    def undo_images(self, identities: Iterable[Identity]) -> CurationChange:
        """Undo the last decision about each of these images, in one batch.

        The previous decision about each image applies again. If an image had no previous decision,
        or if this decision is no longer recorded, the image has no decision afterwards.

        Args:
            identities: The identities of the images.

        Raises:
            InputError: The dataset was deleted, or the file cannot be read or written.
        """
        images = set(identities)

        def compute(old: _Entries) -> tuple[_Entries, str]:
            previous = _previous_decisions(self._read_history().done, images)
            new = _with_decisions(old, {identity: previous.get(identity) for identity in images})
            return new, f"decision about {counted(len(images), 'image')} undone"

        return self._update(compute, undoes_images=True)

    def import_csv(self, content: bytes, file_name: str, face_set: FaceSet) -> CurationImport:
        """Add the decisions of an exported file, in one batch.

        Args:
            content: The content of the file.
            file_name: The name of the file in messages.
            face_set: The dataset, to report decisions about images that it does not have.

        Raises:
            InputError: The file is not a curation file, or none of its lines can be read. Also as
                for ``change``.
        """
        curation = parse_curation(content, file_name, face_set.classes)
        if not curation.entries:
            reason = curation.problems[0] if curation.problems else f"{file_name} has no decisions."
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
            batch_id: The id of the batch that the user sees as the last one; None to undo the last
                batch, whichever it is. If another user has changed the curation in the meantime,
                the ids differ, and nothing is undone.

        Raises:
            InputError: There is nothing to undo, ``batch_id`` is not the last batch, the dataset
                was deleted, or the files cannot be read or written.
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
            batch_id: The id of the batch that the user sees as the last undone one; None to apply
                the last undone batch, whichever it is. See ``undo``.

        Raises:
            InputError: There is nothing to redo, ``batch_id`` is not the last undone batch, the
                dataset was deleted, or the files cannot be read or written.
        """
        with self._locked():
            history = self._read_history()
            if not history.undone:
                raise InputError("There is no change of the curation left to redo.")
            change, done = self._apply_batch(history.undone[-1], "redone", batch_id)
            self._write(change.curation, _History((*history.done, done), history.undone[:-1]))
            return change

    def _apply_batch(
        self, batch: _RecordedBatch, verb: str, expected_id: str | None
    ) -> tuple[CurationChange, _RecordedBatch]:
        """Restore the decisions in ``batch.before``.

        Args:
            batch: The last batch that can be undone or redone.
            verb: What happens to the batch: "undone" or "redone".
            expected_id: The batch that the caller expects; None to accept any batch.

        Returns:
            The change, and the batch that reverts it.

        Raises:
            InputError: ``batch`` is not the batch that the caller expects.
        """
        _check_last(batch, expected_id, verb)
        old = self._read_before_change()
        replaced = {identity: old.get(identity) for identity in batch.before}
        new = _with_decisions(old, batch.before)
        reverting = _RecordedBatch(batch.id, batch.summary, replaced, batch.undoes_images)
        return _change_between(old, new, f"{verb}: {batch.summary}"), reverting

    def _update(
        self,
        compute: Callable[[_Entries], tuple[_Entries, str]],
        *,
        undoes_images: bool = False,
    ) -> CurationChange:
        """Change the decisions, and record the change as a batch that can be undone.

        Args:
            compute: Returns all decisions after the change and the summary of the change, given all
                decisions before it.
            undoes_images: True if ``undo_images`` makes the change.
        """
        with self._locked():
            old = self._read_before_change()
            new, summary = compute(old)
            before = {
                identity: old.get(identity)
                for identity in old.keys() | new.keys()
                if old.get(identity) != new.get(identity)
            }
            change = _change_between(old, new, summary)
            if before:
                batch = _RecordedBatch(uuid.uuid4().hex[:16], summary, before, undoes_images)
                done = (*self._read_history().done, batch)
                self._write(change.curation, _History(done[-UNDO_DEPTH:]))
            return change

    def _read_before_change(self) -> _Entries:
        """Read the stored decisions, and save a copy of the lines that cannot be read.

        The change replaces the file and would lose these lines, so they are first appended to
        ``curation-unreadable.csv``.
        """
        curation = self.read()
        if curation.unreadable_lines:
            self._save_unreadable(curation)
        return {entry.identity: entry for entry in curation.entries}

    def _save_unreadable(self, curation: Curation) -> None:
        """Append the unreadable lines of a curation to ``curation-unreadable.csv``."""
        path = self.folder / _UNREADABLE_FILE
        earlier = path.read_bytes().decode(errors="replace") if path.is_file() else ""
        if earlier and not earlier.endswith("\n"):
            earlier += "\n"
        text = "".join(line.rstrip("\r\n") + "\n" for line in curation.unreadable_lines)
        # If an earlier process was killed after it saved these lines and before it replaced the
        # curation, the file already contains the lines.
        if not earlier.endswith(text):
            with atomic_write_file(path) as temporary:
                temporary.write_text(earlier + text, encoding="utf-8")

    def _write(self, curation: Curation, history: _History) -> None:
        """Replace the file of the decisions and the file of the history.

        If the disk is full, neither file is replaced. The file of the decisions is renamed first,
        because the ``with`` statement closes its last context first. If the process is killed
        between the two renames, the change is stored but cannot be undone.
        """
        document = {
            "batches": [batch.to_json() for batch in history.done],
            "undone": [batch.to_json() for batch in history.undone],
        }
        with (
            atomic_write_file(self.folder / _UNDO_FILE) as undo_file,
            atomic_write_file(self.path) as decisions_file,
        ):
            undo_file.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
            decisions_file.write_text(curation_csv(curation), encoding="utf-8")

    def _read_history(self) -> _History:
        """Return the recorded batches; none if the file is missing or damaged."""
        try:
            document = read_json(self.folder / _UNDO_FILE)
            return _History(
                tuple(_RecordedBatch.from_json(batch) for batch in document["batches"]),
                tuple(_RecordedBatch.from_json(batch) for batch in document.get("undone", [])),
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


def _last(batches: tuple[_RecordedBatch, ...]) -> CurationBatch | None:
    return CurationBatch(batches[-1].id, batches[-1].summary) if batches else None


def _check_last(batch: _RecordedBatch, expected_id: str | None, verb: str) -> None:
    if expected_id is not None and batch.id != expected_id:
        raise InputError(
            f"Nothing was {verb}: the curation has changed since, and the last change is now "
            f"“{batch.summary}”. Check it, then press the button again."
        )


def _with_decisions(old: _Entries, decisions: dict[Identity, CurationEntry | None]) -> _Entries:
    """Return a copy of ``old`` in which some decisions are replaced, added or removed.

    Args:
        old: The earlier decisions.
        decisions: The new decision about each image to change; None to remove its decision.
    """
    new = dict(old)
    for identity, entry in decisions.items():
        if entry is None:
            new.pop(identity, None)
        else:
            new[identity] = entry
    return new


def _previous_decisions(
    batches: tuple[_RecordedBatch, ...], identities: set[Identity]
) -> dict[Identity, CurationEntry | None]:
    """Return the decision that each image's last decision replaced; None if it replaced none.

    Images without a recorded change are left out. For each of its images, a batch of
    ``undo_images`` cancels the latest decision that is not canceled yet. A second undo therefore
    goes one decision further back.
    """
    replaced: dict[Identity, list[CurationEntry | None]] = {}
    for batch in batches:
        for identity in batch.before.keys() & identities:
            decisions = replaced.setdefault(identity, [])
            if not batch.undoes_images:
                decisions.append(batch.before[identity])
            elif decisions:
                decisions.pop()
    return {identity: decisions[-1] for identity, decisions in replaced.items() if decisions}


def _counts_text(entries: Iterable[CurationEntry]) -> str:
    """Return the number of decisions per action as text: "312 images dropped, 2 images kept"."""
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
    in_both = old.keys() & new.keys()
    return CurationChange(
        summary=summary,
        added=len(new.keys() - old.keys()),
        replaced=sum(old[identity] != new[identity] for identity in in_both),
        removed=len(old.keys() - new.keys()),
        curation=Curation(tuple(new.values())),
    )
