"""``VideoWork``: analyze videos; one row per person and analyzed frame."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_core.errors import InputError, system_reason
from fer_core.files import is_disk_full, temporary_folder
from fer_core.scale.inputs import Item
from fer_core.scale.portable_analyzer import PortableAnalyzer
from fer_core.scale.stores import Store, is_address
from fer_core.scale.work import Row
from fer_core.settings import Settings
from fer_core.stale_files import remove_stale_folders

if TYPE_CHECKING:
    import pyarrow

    from fer_core.video.analysis_settings import AnalysisSettings
    from fer_core.video.face_table import FaceTable
    from fer_core.video.reader import VideoInfo

#: Columns with the same value in all rows of a video.
_VIDEO_COLUMNS = frozenset(
    ("file", "video_width", "video_height", "video_seconds", "video_frames", "notes", "error")
)

#: Memory of a worker for a video up to Full HD. About 410 MB were measured.
_BASE_BYTES = 600 * 2**20
_FULL_HD_PIXELS = 1920 * 1080
#: Maximum number of decoded frames that a decoder keeps in memory. With this value, the estimate
#: for an 8K video in H.265 is 1,490 MB. A worker used 863 MB for such a video of 40 frames.
_DECODER_FRAMES = 20
#: Bytes per pixel of common pixel formats. Other formats need at most ``_MAX_PIXEL_BYTES``.
_PIXEL_BYTES = {"yuv420p": 1.5, "yuvj420p": 1.5, "nv12": 1.5}
_MAX_PIXEL_BYTES = 4.0
#: Prefix of the names of the temporary folders.
_TEMPORARY_PREFIX = "fer-studio-video"


@dataclass(frozen=True)
class VideoWork:
    """The ``Work`` of a job that analyzes videos.

    If a worker dies, another worker analyzes the unfinished video from its first frame on.

    Attributes:
        analyzer: The model and the detector.
        settings: The settings of every analysis. ``video`` and ``source`` are replaced for each
            video.
    """

    analyzer: PortableAnalyzer
    settings: AnalysisSettings

    @property
    def plural_noun(self) -> str:
        """The word for the files in messages, in the plural."""
        return "videos"

    def open(self, *, threads: int, memory_bytes: int) -> VideoWorker:
        """Load the model and the detector; see ``Work.open``."""
        return VideoWorker(self, threads=threads, memory_bytes=memory_bytes)

    def schema(self) -> pyarrow.Schema:
        """Return the columns of ``faces.parquet``, and the columns that describe the video.

        A video without faces, or with an error, has one row, in which the columns of a face are
        null.
        """
        import pyarrow as pa

        from fer_core.video.face_table import to_arrow

        faces = [
            (_face_column(column.name), _value_type(column.type))
            for column in to_arrow(self.empty_table("")).schema
        ]
        return pa.schema(
            [
                ("file", pa.string()),
                *faces,
                ("video_width", pa.int32()),
                ("video_height", pa.int32()),
                ("video_seconds", pa.float64()),
                ("video_frames", pa.int64()),
                ("notes", pa.list_(pa.string())),
                ("error", pa.string()),
            ]
        )

    def description(self) -> dict[str, Any]:
        """Return the model, the detector, a checksum of their files and the settings."""
        settings = self.settings
        return {
            "kind": "videos",
            **self.analyzer.description(),
            "per_second": settings.per_second,
            "start": settings.start,
            "end": settings.end,
            "detection_seconds": settings.detection_seconds,
            "smoothing_seconds": settings.smoothing_seconds,
            "minimum_confidence": settings.minimum_confidence,
        }

    def error_row(self, item: Item, sentence: str) -> Row:
        """Return the row of a video that cannot be analyzed."""
        return {"file": item.file, "video": item.name, "notes": [], "error": sentence}

    def empty_table(self, video: str) -> FaceTable:
        """Return the table of a video without faces."""
        from fer_core.video.face_table import empty_table

        return empty_table(video, self.analyzer.classes, self.settings.minimum_confidence)


@dataclass(frozen=True, eq=False)
class StoredVideo:
    """The result for one video, from a finished part of a job.

    Attributes:
        file: Path or address of the video.
        width: Width in pixels, after the rotation in the file's metadata was applied; None if the
            video could not be analyzed.
        height: Height in pixels, like ``width``.
        seconds: Duration of the video; None if unknown.
        frames: Number of analyzed frames.
        notes: Sentences about the file, such as damaged frames.
        error: Why the video could not be analyzed; None if it was analyzed.
        table: The faces of the video.
    """

    file: str
    width: int | None
    height: int | None
    seconds: float | None
    frames: int
    notes: tuple[str, ...]
    error: str | None
    table: FaceTable


def stored_videos(part: pyarrow.Table, work: VideoWork) -> Iterator[StoredVideo]:
    """Yield the results for the videos of a part, in their order.

    Args:
        part: The rows of a part.
        work: The ``VideoWork`` of the job.
    """
    import pyarrow.compute as pc

    from fer_core.video.face_table import from_arrow, to_arrow

    table_columns = to_arrow(work.empty_table("")).column_names
    for file in pc.unique(part.column("file")).to_pylist():
        rows = part.filter(pc.equal(part.column("file"), file))
        first = rows.slice(0, 1).to_pylist()[0]
        faces = rows.filter(pc.is_valid(rows.column("person")))
        faces = faces.select([_face_column(name) for name in table_columns])
        faces = faces.rename_columns(table_columns)
        yield StoredVideo(
            file=file,
            width=first["video_width"],
            height=first["video_height"],
            seconds=first["video_seconds"],
            frames=first["video_frames"] or 0,
            notes=tuple(first["notes"]),
            error=first["error"],
            table=from_arrow(faces, work.empty_table(first["video"])),
        )


class VideoWorker:
    """Analyzes videos like the command ``video``, each in a temporary folder of its own."""

    def __init__(self, work: VideoWork, *, threads: int, memory_bytes: int) -> None:
        self._work = work
        self._memory_bytes = memory_bytes
        self._analyzer = work.analyzer.open(threads=threads)
        self._schema = work.schema()
        self._temporary_root = Path(tempfile.gettempdir())
        # A killed worker leaves its folder, possibly with a copy of a video.
        remove_stale_folders(_TEMPORARY_PREFIX, self._temporary_root)

    def process(self, items: Sequence[Item]) -> pyarrow.Table:
        """Return the rows of each video; see ``Worker.process``."""
        import pyarrow as pa

        return pa.concat_tables([self._rows(item) for item in items])

    def _rows(self, item: Item) -> pyarrow.Table:
        import pyarrow as pa

        try:
            with temporary_folder(_TEMPORARY_PREFIX, self._temporary_root) as folder:
                return self._analyze(item, folder)
        except InputError as error:
            row = dict(self._work.error_row(item, str(error)))
            return pa.Table.from_pylist([row], self._schema)

    def _analyze(self, item: Item, folder: Path) -> pyarrow.Table:
        import pyarrow.parquet as pq

        from fer_core.video.analysis_folder import AnalysisFolder
        from fer_core.video.analysis_job import check_range, run_analysis
        from fer_core.video.reader import probe_video

        is_remote = is_address(item.file)
        path = _local_copy(item, folder) if is_remote else Path(item.file)
        info = probe_video(path, item.name)
        settings = replace(self._work.settings, video=item.name, source=str(path.resolve()))
        check_range(info, settings.start, settings.end)
        self._check_memory(info)
        if not is_remote:
            _check_unchanged(item, path)
        analysis = AnalysisFolder(folder / "analysis")
        analysis.create(settings)
        status = run_analysis(
            analysis,
            Settings(folder, folder, folder),
            analyzer=self._analyzer,
            handles_signals=False,
        ).status
        if not is_remote:
            _check_unchanged(item, path)
        video_values = {
            "file": item.file,
            "video_width": status.width,
            "video_height": status.height,
            "video_seconds": status.seconds,
            "video_frames": status.frames,
            "notes": list(status.notes),
            "error": None,
        }
        return _job_rows(pq.read_table(analysis.table_path), item.name, video_values, self._schema)

    def _check_memory(self, info: VideoInfo) -> None:
        additional_pixels = max(info.width * info.height - _FULL_HD_PIXELS, 0)
        pixel_bytes = _PIXEL_BYTES.get(info.pixel_format, _MAX_PIXEL_BYTES)
        needed = _BASE_BYTES + round(_DECODER_FRAMES * pixel_bytes * additional_pixels)
        if needed > self._memory_bytes:
            raise InputError(
                f"{info.name} has frames of {info.width}x{info.height} pixels and may need "
                f"{needed >> 20} MB of memory, more than the {self._memory_bytes >> 20} MB of a "
                "worker; raise --worker-memory."
            )


def _local_copy(item: Item, folder: Path) -> Path:
    """Copy a video from an object store, because decoders seek in the file.

    Raises:
        InputError: The video cannot be read, has changed since the job listed it, or the disk is
            full.
    """
    path = folder / f"video{Path(item.name).suffix}"
    try:
        with path.open("wb") as file:
            # Copying one byte more than expected shows whether the file has grown.
            limit = None if item.size is None else item.size + 1
            Store(item.file).copy(item.file, file, limit)
    except OSError as error:
        if is_disk_full(error):
            size = "" if item.size is None else f" ({item.size / 1e6:,.0f} MB)"
            raise InputError(
                f"{item.name}{size} does not fit into the temporary folder {folder.parent}; set "
                "TMPDIR to a folder with more space."
            ) from error
        raise InputError(
            f"{item.name} cannot be read ({system_reason(error)}); check the address."
        ) from error
    if item.size is not None and path.stat().st_size != item.size:
        raise _changed_error(item)
    return path


def _check_unchanged(item: Item, path: Path) -> None:
    """Check that a video has not changed since the job listed it.

    Raises:
        InputError: The video has changed, or cannot be read.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise InputError(
            f"{item.name} cannot be read ({system_reason(error)}); check the path."
        ) from error
    listed_state = item.size, item.modified
    if item.modified is not None and (state.st_size, state.st_mtime_ns) != listed_state:
        raise _changed_error(item)


def _changed_error(item: Item) -> InputError:
    return InputError(f"{item.name} was changed after the job listed it; analyze it again.")


def _job_rows(
    faces: pyarrow.Table, video: str, video_values: Mapping[str, Any], schema: pyarrow.Schema
) -> pyarrow.Table:
    """Return the rows of a video: one per face and frame, or a single row if it has no faces.

    Args:
        faces: The content of ``faces.parquet``.
        video: The file's name.
        video_values: The values of ``_VIDEO_COLUMNS``.
        schema: The schema of the result.
    """
    import pyarrow as pa

    if not faces.num_rows:
        return pa.Table.from_pylist([{**video_values, "video": video}], schema)
    faces = faces.rename_columns([_face_column(name) for name in faces.column_names])
    columns = [
        pa.repeat(pa.scalar(video_values[column.name], column.type), faces.num_rows)
        if column.name in video_values
        else faces.column(column.name).cast(column.type)
        for column in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _face_column(name: str) -> str:
    """Return the name that a column of ``faces.parquet`` has in the results of a job.

    A column of probabilities has the name of its class. If the class is named like a column of
    ``_VIDEO_COLUMNS``, such as "error", the name of the column gets the prefix ``class_``.
    """
    return f"class_{name}" if name in _VIDEO_COLUMNS else name


def _value_type(data_type: pyarrow.DataType) -> pyarrow.DataType:
    """Return the type of a column in the results of a job.

    A dictionary-encoded column gets the type of its values, because the dictionaries of two videos
    differ.
    """
    import pyarrow as pa

    return data_type.value_type if pa.types.is_dictionary(data_type) else data_type
