"""``PhotoWork``: detect and classify the faces of pictures; one row per file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_core.calibration import Emphasis
from fer_core.errors import InputError, system_reason
from fer_core.picture_header import is_video
from fer_core.scale.inputs import Item
from fer_core.scale.portable_analyzer import PortableAnalyzer, portable_analyzer
from fer_core.scale.stores import Store, is_address
from fer_core.scale.work import Row
from fer_core.settings import Settings

if TYPE_CHECKING:
    import pyarrow

    from fer_core.vision.photo import PhotoResult

#: Cropped faces are classified together as soon as there are at least this many.
_MIN_BATCH_FACES = 64
#: Memory of a worker before its first picture.
_BASE_BYTES = 350 * 2**20
#: Memory for a picture, as a multiple of the memory for decoding it. It is above 1, because
#: rotation and detection copy the pixels.
_COPY_FACTOR = 1.5


@dataclass(frozen=True)
class PhotoWork:
    """The ``Work`` of a job that classifies pictures; ``photo_work`` returns one.

    Attributes:
        analyzer: The model and the detector.
        whole: See ``as_one_face`` of ``Analyzer.analyze``.
    """

    analyzer: PortableAnalyzer
    whole: bool | None = None

    @property
    def plural_noun(self) -> str:
        """The word for the files in messages, in the plural."""
        return "pictures"

    def open(self, *, threads: int, memory_bytes: int) -> PhotoWorker:
        """Load the model and the detector; see ``Work.open``."""
        return PhotoWorker(self, threads=threads, memory_bytes=memory_bytes)

    def schema(self) -> pyarrow.Schema:
        """Return the columns, named like the keys of a picture in the output of ``classify``."""
        import pyarrow as pa

        probabilities = pa.struct([(name, pa.float32()) for name in self.analyzer.classes])
        face = pa.struct(
            [
                ("box", pa.list_(pa.int32())),
                ("label", pa.string()),
                ("score", pa.float32()),
                ("probabilities", probabilities),
                ("is_confident", pa.bool_()),
                ("is_too_small", pa.bool_()),
            ]
        )
        return pa.schema(
            [
                ("file", pa.string()),
                ("width", pa.int32()),
                ("height", pa.int32()),
                ("faces", pa.list_(face)),
                ("error", pa.string()),
                # A sentence if the picture was shrunk before its analysis; usually null.
                ("note", pa.string()),
            ]
        )

    def description(self) -> dict[str, Any]:
        """Return the model, the detector, a checksum of their files and the options."""
        return {"kind": "photos", **self.analyzer.description(), "whole": self.whole}

    def error_row(self, item: Item, sentence: str) -> Row:
        """Return the row of a picture that cannot be analyzed."""
        return {"file": item.file, "width": None, "height": None, "faces": [], "error": sentence}


def photo_work(
    settings: Settings,
    *,
    model: str | None = None,
    detector: str | None = None,
    emphasis: Emphasis = "default",
    whole: bool | None = None,
) -> PhotoWork:
    """Read the files of the model and the detector, and create a ``PhotoWork``.

    Args:
        settings: Settings with the location of the models and detectors.
        model: See ``portable_analyzer``.
        detector: See ``portable_analyzer``.
        emphasis: See ``portable_analyzer``.
        whole: See ``as_one_face`` of ``Analyzer.analyze``.

    Raises:
        InputError: The model or the detector does not exist or cannot be used.
    """
    analyzer = portable_analyzer(settings, model=model, detector=detector, emphasis=emphasis)
    return PhotoWork(analyzer, whole)


class PhotoWorker:
    """Classifies the faces of several pictures in one call of the network."""

    def __init__(self, work: PhotoWork, *, threads: int, memory_bytes: int) -> None:
        self._work = work
        self._memory_bytes = memory_bytes
        self._analyzer = work.analyzer.open(threads=threads)

    def process(self, items: Sequence[Item]) -> pyarrow.Table:
        """Return one row per picture; see ``Worker.process``."""
        import pyarrow as pa

        return pa.Table.from_pylist(self.rows(items), self._work.schema())

    def rows(self, items: Sequence[Item]) -> list[dict[str, Any]]:
        """Return the rows of ``process`` as dictionaries."""
        from fer_core.vision.photo import classify_photos

        rows: list[dict[str, Any]] = []
        # Photos whose faces are cropped but not classified yet.
        unclassified: list[PhotoResult] = []
        for item in items:
            unclassified.append(self._crop(item))
            if sum(len(photo.faces) for photo in unclassified) >= _MIN_BATCH_FACES:
                rows += [photo.to_json() for photo in classify_photos(unclassified, self._analyzer)]
                unclassified = []
        return rows + [photo.to_json() for photo in classify_photos(unclassified, self._analyzer)]

    def _crop(self, item: Item) -> PhotoResult:
        from fer_core.vision.photo import PhotoResult, crop_photo

        try:
            content = _read(item)
            self._check_memory(item, content)
        except InputError as error:
            return PhotoResult(item.file, error=str(error))
        return crop_photo(content, item.file, self._analyzer, as_one_face=self._work.whole)

    def _check_memory(self, item: Item, content: bytes) -> None:
        from fer_core.vision.decode import decoding_memory

        needed = _BASE_BYTES + len(content) + round(_COPY_FACTOR * decoding_memory(content))
        if needed > self._memory_bytes:
            raise InputError(
                f"{item.name} needs {needed >> 20} MB of memory, more than the "
                f"{self._memory_bytes >> 20} MB of a worker; raise --worker-memory or shrink the "
                "picture."
            )


def _read(item: Item) -> bytes:
    """Read a picture's file.

    Raises:
        InputError: The file cannot be read, is too large, or has changed since the job listed it.
    """
    from fer_core.vision.picture_files import read_picture

    try:
        if is_address(item.file):
            return _read_stored(item)
        path = Path(item.file)
        content, state = read_picture(path), path.stat()
    except OSError as error:
        raise InputError(
            f"{item.name} cannot be read ({system_reason(error)}); check the path."
        ) from error
    listed_state = item.size, item.modified
    if item.modified is not None and (state.st_size, state.st_mtime_ns) != listed_state:
        raise _changed_error(item)
    return content


def _read_stored(item: Item) -> bytes:
    """Read a picture's file from an object store.

    Raises:
        InputError: The file is too large, or has changed.
        OSError: The file cannot be read.
    """
    from fer_core.vision.picture_files import MAX_PICTURE_BYTES, START_BYTES, too_large_text

    store = Store(item.file)
    if (item.size or 0) > MAX_PICTURE_BYTES:
        start = store.read(item.file, START_BYTES)
        if is_video(start):
            return start  # enough to report that the file is a video
        raise InputError(too_large_text(item.name))
    # Reading one byte more than expected shows whether the file has grown.
    content = store.read(item.file, (MAX_PICTURE_BYTES if item.size is None else item.size) + 1)
    if item.size is None and len(content) > MAX_PICTURE_BYTES:
        if is_video(content[:START_BYTES]):
            return content[:START_BYTES]
        raise InputError(too_large_text(item.name))
    if item.size is not None and len(content) != item.size:
        raise _changed_error(item)
    return content


def _changed_error(item: Item) -> InputError:
    return InputError(f"{item.name} was changed after the job listed it; classify it again.")
