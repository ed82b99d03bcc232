"""Importing a dataset: from an upload, a path on the server or Kaggle, or the demo set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from fer_core.access import Role
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.kaggle import KAGGLE_HANDLE, import_from_kaggle
from fer_core.dataset.source_path import other_splits, partial_dataset_problem
from fer_core.dataset.split_record import SplitGroups
from fer_core.dataset.splitting import SplitChoice
from fer_core.dataset.store import (
    DEMO_NAME,
    dataset_names,
    import_dataset,
    install_demo_set,
    name_from_source,
    path_within_roots,
    validated_name,
)
from fer_core.errors import InputError
from fer_core.files import os_errors_as_input_errors, temporary_folder
from fer_core.jobs.job import Job, JobKind
from fer_core.phrases import counted
from fer_core.settings import Settings
from fer_studio.ui.access import is_private, require_editor
from fer_studio.ui.dataset.class_choice import (
    ImportChoice,
    ImportSource,
    choose_folders_and_classes,
)
from fer_studio.ui.jobs import job_service, show_progress, start_job
from fer_studio.ui.messages import show_error
from fer_studio.ui.text import plain_text
from fer_studio.ui.uploads import check_size, safe_file_name

#: Maximum size of an uploaded dataset, which the server keeps in memory. FER2013 as a table has
#: about 300 MB.
MAX_UPLOAD_MB = 600

_ARCHIVE_TYPES = ("zip", "tar", "gz", "tgz", "bz2", "tbz2", "xz", "txz")
#: Titles of the kinds of source.
_SOURCES = {
    "upload": ":material/upload: Upload",
    "path": ":material/folder: From this server",
    "kaggle": ":material/cloud_download: Kaggle",
    "demo": ":material/draw: Demo set",
}
IMPORT = JobKind("import", Role.EDITOR)
#: The message for an import without a source, by kind of source.
_MISSING_SOURCE = {
    "upload": "No file was chosen; drop an archive or a table above, then press Import.",
    "path": "No path was given; enter the path of an archive, a table or a folder.",
}
#: Session key of the job of this session's import.
_OWN_JOB = "dataset_import_started"
#: Session key of the ``ImportNotice`` about this session's latest import.
_NOTICE = "dataset_import_notice"
#: Session key of the number of the current upload field, which is part of its widget key. A new
#: number creates a new, empty field.
_UPLOADER = "dataset_upload_round"
#: Session key of the ``ImportSource.key`` of the source whose classes the page showed before this
#: rerun; None if the page showed no valid choice of classes.
_SHOWN_SOURCE = "dataset_import_shown_source"


@dataclass(frozen=True)
class ImportNotice:
    """The result of the latest import of this session.

    Attributes:
        name: The name of the new dataset; if nothing was imported, the name that was requested.
        image_count: The number of imported images.
        skipped_count: The number of files or rows that were skipped.
        split_groups: How images were grouped for the splits that the import created; None if the
            source had all splits.
        error: Why nothing was imported; None if the import succeeded.
        notes: Sentences about how the source was read.
    """

    name: str
    image_count: int
    skipped_count: int
    split_groups: SplitGroups | None = None
    error: str | None = None
    notes: tuple[str, ...] = ()


def collect_finished_import() -> str | None:
    """Return the name of the new dataset if an import of this session has just succeeded.

    The result of the import is stored for ``show_import_state``.

    Returns:
        The name, once for each import; None if no import has ended since the previous call of this
        function, or if the import failed or was stopped.
    """
    # The session stores the job instead of its key. The key is the name of the dataset, and in the
    # meantime a second session may have started an import under this name.
    job: Job | None = st.session_state.get(_OWN_JOB)
    if job is None or not job.is_finished:
        return None
    del st.session_state[_OWN_JOB]
    if job.was_cancelled:
        st.toast("The import was stopped; nothing was stored.", icon=":material/stop_circle:")
        return None
    job_service().discard(job)
    if job.error is not None:
        st.session_state[_NOTICE] = ImportNotice(str(job.key), 0, 0, error=job.error)
        return None
    notice: ImportNotice = job.result
    st.session_state[_NOTICE] = notice
    # The upload is no longer needed. A new, empty upload field lets the server free its memory.
    st.session_state[_UPLOADER] = st.session_state.get(_UPLOADER, 0) + 1
    return notice.name


def show_import_state() -> None:
    """Draw running imports of all sessions, and the result of this session's latest import."""
    own_job: Job | None = st.session_state.get(_OWN_JOB)
    other_jobs = [job for job in job_service().unfinished(IMPORT) if job is not own_job]
    if own_job is not None:
        show_progress(own_job, stop_key="stop_import")
    for job in other_jobs:
        show_progress(job, stop_key=None)  # only the session that started it can stop it
    notice: ImportNotice | None = st.session_state.get(_NOTICE)
    if notice is None:
        return
    if notice.error is not None:
        show_error(notice.error)
        return
    text = f"**{plain_text(notice.name)}** was imported: {counted(notice.image_count, 'image')}"
    groups = notice.split_groups
    if notice.skipped_count:
        skipped = (
            "1 file or row was skipped"
            if notice.skipped_count == 1
            else f"{notice.skipped_count:,} files or rows were skipped"
        )
        st.warning(
            f"{text}; {skipped}. The overview below lists the reasons.",
            icon=":material/playlist_remove:",
        )
    else:
        st.success(f"{text}, nothing skipped.", icon=":material/check:")
    for note in notice.notes:
        st.caption(plain_text(note))
    if groups is not None:
        st.info(plain_text(groups.summary), icon=":material/call_split:")
        for warning in groups.warnings:
            st.warning(plain_text(warning), icon=":material/warning:")


def forget_notice() -> None:
    """Hide the result of the latest import; called when the user begins a different action."""
    st.session_state.pop(_NOTICE, None)


def show_import(settings: Settings) -> None:
    """Draw the import form."""
    kind = st.segmented_control(
        "Source",
        list(_SOURCES),
        format_func=_SOURCES.__getitem__,
        default="upload",
        required=True,
        key="import_source",
    )
    if kind == "demo":
        _offer_demo(settings)
        return
    if kind == "kaggle":
        _offer_kaggle(settings)
        return
    source = None
    try:
        if kind == "upload":
            source = _upload_source(_upload_field(), settings)
        else:
            source = _path_source(_path_field(settings), settings)
    except InputError as error:
        show_error(error)
        return
    # The classes have their own container, so that the fields below keep their position while the
    # classes are counted.
    class_container = st.container()
    name, split_values = _common_fields("")
    choice = None
    if source is not None:
        with class_container:
            choice = _choose_classes(source, name, settings)
    is_pressed = st.button(
        "Import",
        type="primary",
        icon=":material/input:",
        key="import_start",
        disabled=source is not None and choice is None,
    )
    # If the user enters a path and then clicks on "Import", the path and the click arrive together,
    # before the page has shown the classes of the source. The user then has to check these classes
    # and click a second time.
    shown_source = st.session_state.get(_SHOWN_SOURCE)
    st.session_state[_SHOWN_SOURCE] = None if choice is None or not source else source.key
    if not is_pressed:
        return
    if source is not None and choice is None:
        return  # instead of the classes, the page shows the reason or the progress of counting
    if source is not None and shown_source != source.key:
        st.info("Check the classes above, then press Import.", icon=":material/checklist:")
        return
    forget_notice()
    try:
        if source is None or choice is None:
            raise InputError(_MISSING_SOURCE[kind])
        _start_import(source, name, SplitChoice(*split_values), choice, settings)
    except InputError as error:
        # The error is stored, because the end of an import in a second session can redraw the page
        # at any time, and the error should stay visible.
        st.session_state[_NOTICE] = ImportNotice(name, 0, 0, error=str(error))
        st.rerun()


def _choose_classes(source: ImportSource, name: str, settings: Settings) -> ImportChoice | None:
    """Draw the folders and classes, and return the user's choice; None without a valid choice.

    The name of the new dataset is checked first: if it is invalid or taken, the page shows the
    error, and the source is not read.
    """
    try:
        _checked_name(name, source.title, settings)
    except InputError as error:
        show_error(error)
        return None
    return choose_folders_and_classes(source)


def _offer_kaggle(settings: Settings) -> None:
    with st.form("import_form", border=False):
        token = _token_field()
        name, split_values = _common_fields("fer2013")
        is_pressed = st.form_submit_button(
            "Download and import", type="primary", icon=":material/input:", key="import_start"
        )
    if not is_pressed:
        return
    forget_notice()
    try:
        _start_kaggle(token, name, SplitChoice(*split_values), settings)
    except InputError as error:
        st.session_state[_NOTICE] = ImportNotice(name, 0, 0, error=str(error))
        st.rerun()


def use_demo(settings: Settings) -> None:
    """Add the demo set to the datasets and select it; the callback of a button."""
    forget_notice()
    try:
        require_editor()
        install_demo_set(settings)
    except InputError as error:
        st.session_state[_NOTICE] = ImportNotice(DEMO_NAME, 0, 0, error=str(error))
    else:
        st.session_state["dataset"] = DEMO_NAME


def _upload_field() -> UploadedFile | None:
    return st.file_uploader(
        "Archive or table",
        # The suffix decides only whether a file can be uploaded. The reader recognizes the format
        # by the content, and explains what is wrong with a file that it cannot read.
        type=[*_ARCHIVE_TYPES, "parquet", "csv", "tsv", "txt"],
        max_upload_size=MAX_UPLOAD_MB,
        key=f"import_upload_{st.session_state.get(_UPLOADER, 0)}",
        help="A zip, tar or Parquet file of pictures, in folders named after their classes or with "
        "a table of their classes; FER2013's csv; or an archive of FER+'s folders.",
    )


def _path_field(settings: Settings) -> str:
    roots = ", ".join(f"`{root}`" for root in _import_roots(settings)) or "none is configured"
    text: str = st.text_input(
        "Path on this server",
        key="import_path",
        placeholder="fer2013.zip",
        help="An archive, a table or a folder. The environment variable FER_STUDIO_IMPORT_ROOTS "
        "names the folders from which this page may read.",
    )
    st.caption(f"Allowed folders: {roots}.")
    return text.strip()


def _token_field() -> str:
    st.markdown(
        f"Downloads [{KAGGLE_HANDLE}](https://www.kaggle.com/datasets/{KAGGLE_HANDLE}), FER2013 as "
        "pictures, for research use."
    )
    token: str = st.text_input(
        "Kaggle API token (optional)",
        type="password",
        key="import_token",
        help="Create a token in the settings of your Kaggle account. It is used for this download "
        "only and not stored. If the field is empty, the server uses its own token, if it has one "
        "in the environment variable KAGGLE_API_TOKEN or in the folder ~/.kaggle.",
    )
    return token.strip()


def _common_fields(default_name: str) -> tuple[str, tuple[float, float, int]]:
    """Draw the fields that imports from an upload, a path and Kaggle have in common.

    Args:
        default_name: The initial name of the new dataset.

    Returns:
        The name of the new dataset, and the arguments of ``SplitChoice``: the shares of validation
        and test, and the seed.
    """
    fields = st.container(horizontal=True, vertical_alignment="bottom")
    name = fields.text_input(
        "Name",
        value=default_name,
        key=f"import_name_{default_name}",
        placeholder="name of the file",
        width=220,
        help="Letters, digits, dots, dashes and underscores. If this field is empty, the name of "
        "the file is used.",
    )
    defaults = SplitChoice()
    validation = fields.number_input(
        "Validation share (%)",
        1.0,
        49.0,
        100 * defaults.validation_share,
        1.0,
        key="import_validation",
        width=170,
        help="If the source has no validation split: the share of the training images of each "
        "class that becomes this split. Copies, near-duplicates and images of one person stay in "
        "one split.",
    )
    test = fields.number_input(
        "Test share (%)",
        1.0,
        49.0,
        100 * defaults.test_share,
        1.0,
        key="import_test",
        width=170,
        help="If the source has no test split: the share of the training images of each class that "
        "becomes this split. Copies, near-duplicates and images of one person stay in one split.",
    )
    seed = fields.number_input(
        "Seed",
        0,
        2**31 - 1,
        defaults.seed,
        key="import_seed",
        width=130,
        help="The same seed selects the same images for the new splits.",
    )
    return str(name).strip(), (validation / 100, test / 100, int(seed))


def _offer_demo(settings: Settings) -> None:
    st.markdown(
        "3,540 drawn faces with errors injected on purpose: duplicates, leaks, wrong labels, blank "
        "images. You can try everything on this page with this set. Results on it do not apply to "
        "real faces."
    )
    is_installed = DEMO_NAME in dataset_names(settings)
    st.button(
        "Use the demo set",
        type="primary",
        icon=":material/draw:",
        key="import_demo",
        disabled=is_installed,
        help="The demo set is already in the list: choose it above." if is_installed else None,
        on_click=use_demo,
        args=(settings,),
    )


def _upload_source(upload: UploadedFile | None, settings: Settings) -> ImportSource | None:
    """Return the source of an upload. The upload is stored on disk only while it is read.

    Returns:
        The source; None if there is no upload.

    Raises:
        InputError: The upload is too large.
    """
    if upload is None:
        return None
    check_size(upload, MAX_UPLOAD_MB)

    @contextmanager
    def open_path(job: Job) -> Iterator[Path]:
        with (
            os_errors_as_input_errors(f"The upload cannot be stored in {settings.data_root}"),
            _upload_folder(settings.data_root) as folder,
        ):
            path = folder / safe_file_name(upload.name)
            job.set_note("storing the upload")
            with path.open("wb") as file:
                file.write(upload.getbuffer())
            yield path

    return ImportSource(f"upload {upload.file_id}", upload.name, open_path)


def _path_source(text: str, settings: Settings) -> ImportSource | None:
    """Return the source at a path on this server; None if the text is empty.

    Raises:
        InputError: The path is not allowed, does not exist, or is only a part of a dataset.
    """
    if not text:
        return None
    roots = _import_roots(settings)
    path = path_within_roots(text, replace(settings, import_roots=roots))
    problem = partial_dataset_problem(path, roots)
    if problem is not None:
        raise InputError(problem)
    status = path.stat()

    @contextmanager
    def open_path(_job: Job) -> Iterator[Path]:
        yield path

    key = f"{path} {status.st_mtime_ns} {status.st_size}"
    return ImportSource(key, path.name, open_path, other_splits(path, roots))


def _start_import(
    source: ImportSource,
    name: str,
    split_choice: SplitChoice,
    choice: ImportChoice,
    settings: Settings,
) -> None:
    new_name = _checked_name(name, source.title, settings)

    def import_source(job: Job) -> ImportNotice:
        with source.open_path(job) as path:
            return _success_notice(
                import_dataset(
                    path,
                    settings,
                    name=new_name,
                    split_choice=split_choice,
                    class_choice=choice.classes,
                    folder_roles=choice.folders,
                    report=job.report,
                )
            )

    _start(new_name, f"Importing {source.title}", import_source)


def _import_roots(settings: Settings) -> tuple[Path, ...]:
    """Return the folders from which this page may import.

    In a private app (see ``is_private``), the folder ``Downloads`` is included by default. In all
    other apps, it is included only if it is configured.
    """
    return settings.import_roots if is_private() else settings.import_roots_if_shared


@contextmanager
def _upload_folder(root: Path) -> Iterator[Path]:
    """Create a hidden folder for an upload in ``root``, and remove it at the end.

    Args:
        root: The folder of the datasets; created if it does not exist.
    """
    root.mkdir(parents=True, exist_ok=True)
    with temporary_folder("upload", root) as folder:
        yield folder


def _start_kaggle(token: str, name: str, split_choice: SplitChoice, settings: Settings) -> None:
    new_name = _checked_name(name, "fer2013", settings)

    def download(job: Job) -> ImportNotice:
        def report_bytes(size: int) -> None:
            job.set_note(f"{size / 1e6:.0f} MB so far" if size else "waiting for Kaggle")

        return _success_notice(
            import_from_kaggle(
                settings,
                name=new_name,
                token=token or None,
                split_choice=split_choice,
                report=job.report,
                report_bytes=report_bytes,
            )
        )

    _start(new_name, f"Downloading {KAGGLE_HANDLE} from Kaggle", download)


def _success_notice(imported: tuple[str, FaceSet]) -> ImportNotice:
    """Return the notice about a successful import.

    Args:
        imported: The name and the images of the new dataset.
    """
    name, faces = imported
    return ImportNotice(name, len(faces), faces.skipped, faces.split_groups, notes=faces.notes)


def _checked_name(name: str, source_name: str, settings: Settings) -> str:
    """Return the name of the new dataset.

    Args:
        name: The name that the user entered; if it is empty, the name is derived from
            ``source_name``.
        source_name: The name of the imported file or folder.
        settings: The folders of the app.

    Raises:
        InputError: The name is invalid, or a dataset has it already.
    """
    new_name = validated_name(name) if name else name_from_source(Path(source_name))
    existing_names = {existing.lower() for existing in dataset_names(settings)}
    if new_name.lower() in existing_names:
        raise InputError(f"There is already a dataset {new_name!r}; choose another name.")
    return new_name


def _start(name: str, title: str, task: Callable[[Job], ImportNotice]) -> None:
    """Start the job of an import, and redraw the page.

    Args:
        name: The name of the new dataset; the key of the job.
        title: The title of the job.
        task: Imports the dataset; the function that the job runs.

    Raises:
        InputError: The visitor is not an editor, or an import with this name is already running.
    """
    require_editor()
    running = job_service().get(IMPORT, name)
    if running is not None and not running.is_finished:
        raise InputError(
            f"{name!r} is already being imported; wait until it is done, or choose another name."
        )
    st.session_state[_OWN_JOB] = start_job(IMPORT, name, title, task)
    st.rerun()
