"""Import of a model from another program: its files, labels and scaling, and the import jobs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TypeVar

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from fer_core.access import Role
from fer_core.bundle import check_name_is_free
from fer_core.dataset.row_sample import sample_rows
from fer_core.dataset.store import DEMO_NAME, dataset_names, load_dataset
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.exchange.import_process import (
    ImportedModel,
    check_scalings_in_process,
    import_in_process,
)
from fer_core.exchange.importing import ImportRequest, name_from_file
from fer_core.exchange.labels import (
    META_SUFFIX,
    SCALE_RANGES,
    ModelOptionError,
    Scale,
    parse_channels,
    parse_labels,
)
from fer_core.exchange.safety import MAX_BYTES
from fer_core.exchange.scaling_check import MAX_IMAGES, ScalingCandidate
from fer_core.files import is_plain_name, os_errors_as_input_errors, temporary_folder
from fer_core.jobs.job import Job, JobKind
from fer_core.settings import Settings
from fer_studio.ui.access import require_editor
from fer_studio.ui.jobs import job_service, show_progress, start_job
from fer_studio.ui.messages import show_error
from fer_studio.ui.text import plain_text
from fer_studio.ui.train.fields import card_title
from fer_studio.ui.uploads import check_size, safe_file_name

#: One import and one check at a time, because each of them loads a training library. A check
#: compares scalings of the input on a dataset.
MODEL_IMPORT = JobKind("model import", Role.EDITOR, max_parallel=1)
SCALING_CHECK = JobKind("scaling check", Role.EDITOR, max_parallel=1)

#: Maximum size of an uploaded file.
MAX_UPLOAD_MB = MAX_BYTES >> 20
#: Maximum number of files of a model: the network, its weights and its metadata.
_MAX_FILES = 3

#: Session keys of the fields of the form.
_LABELS, _NAME, _REPLACE = "model_labels", "model_name", "model_replace"
_SCALE, _MEAN, _STD = "model_scale", "model_mean", "model_std"
_CHECK_DATA = "model_check_data"
#: Session key of the number of the current uploader, which is part of its widget key. A new number
#: creates a new, empty uploader.
_UPLOADER = "model_uploader"
#: Session keys of the jobs of this session, of their ``_Outcome``, and of the compared scalings.
_IMPORT_JOB, _CHECK_JOB = "model_import_job", "model_check_job"
_OUTCOME, _CANDIDATES = "model_outcome", "model_candidates"

#: Maximum number of characters of the name of a model, as in ``fer_core.files.is_plain_name``.
_MAX_MODEL_NAME_LENGTH = 64
#: The option to read the range of the pixel intensities from the network.
_AUTOMATIC = "auto"
#: Usual orders of labels: that of FER2013, the alphabetical order of folders, and that of FER+.
_USUAL_LABELS = (
    ", ".join(EMOTIONS),
    ", ".join(sorted(EMOTIONS)),
    "neutral, happiness, surprise, sadness, anger, disgust, fear, contempt",
)

#: The initial values of the fields.
_EMPTY_FORM = {_LABELS: None, _NAME: "", _REPLACE: False, _SCALE: _AUTOMATIC, _MEAN: "", _STD: ""}

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class _Outcome:
    """The outcome of the latest import, or the error of the latest check, of this session.

    Attributes:
        imported: The new model; None after an error.
        error: Why the job failed or could not be started; None after a success.
    """

    imported: ImportedModel | None = None
    error: str | None = None


def collect_imported_model() -> str | None:
    """Return the name of the new model if an import of this session has just finished.

    The outcomes of the finished jobs of this session are stored for ``show_import``. A stopped
    import is only reported in a toast.

    Returns:
        The name, once for each import; None if no import has just succeeded.
    """
    check: Job | None = st.session_state.get(_CHECK_JOB)
    if check is not None and check.is_finished:
        del st.session_state[_CHECK_JOB]
        st.session_state[_CANDIDATES] = check.result
        if check.error is not None:
            st.session_state[_OUTCOME] = _Outcome(error=check.error)
    job: Job | None = st.session_state.get(_IMPORT_JOB)
    if job is None or not job.is_finished:
        return None
    del st.session_state[_IMPORT_JOB]
    job_service().discard(job)
    if job.was_cancelled:
        st.toast("The import was stopped; nothing was stored.", icon=":material/stop_circle:")
        return None
    if job.error is not None:
        st.session_state[_OUTCOME] = _Outcome(error=job.error)
        return None
    imported: ImportedModel = job.result
    st.session_state[_OUTCOME] = _Outcome(imported)
    st.session_state[_CANDIDATES] = None
    # A new, empty uploader lets the server free the memory of the upload.
    st.session_state[_UPLOADER] = st.session_state.get(_UPLOADER, 0) + 1
    # The fields get their initial values. If their state were only deleted, the browser would keep
    # the values.
    st.session_state.update(_EMPTY_FORM)
    return imported.name


def show_import(settings: Settings) -> None:
    """Draw the form, the progress of unfinished jobs, and the latest outcome."""
    with st.container(border=True):
        card_title("Import a model")
        uploads = _upload_field()
        _show_options()
        _show_check(uploads, settings)
        with st.container(horizontal=True, vertical_alignment="center"):
            is_pressed = st.button(
                "Import", type="primary", icon=":material/input:", key="model_import"
            )
            st.toggle(
                "Replace a model of this name",
                key=_REPLACE,
                help="If this is off, the name must be new.",
            )
        if is_pressed:
            _try_to_start(lambda: _start_import(uploads, settings))
        _show_jobs_and_outcome()


def _upload_field() -> list[UploadedFile]:
    return list(
        st.file_uploader(
            "Model file",
            # All file types are accepted, because the import explains what is wrong with a file.
            accept_multiple_files=True,
            max_upload_size=MAX_UPLOAD_MB,
            key=f"model_upload_{st.session_state.get(_UPLOADER, 0)}",
            help="A .keras, .h5 or .onnx file of an image classifier with 2 to 20 outputs. Add the "
            "weights if they are in a second file, and NAME.meta.json if the model was exported "
            "here. Models load in safe mode: files that contain code are refused.",
        )
    )


def _show_options() -> None:
    label_column, name_column = st.columns([3, 1], vertical_alignment="bottom")
    entered: str | None = st.session_state.get(_LABELS)
    with label_column:
        st.selectbox(
            "Labels, in the order of the outputs",
            list(dict.fromkeys((*_USUAL_LABELS, *([entered] if entered else [])))),
            index=None,
            key=_LABELS,
            accept_new_options=True,
            placeholder="Choose a usual order, or enter the names separated by commas",
            help="A model file does not contain the names of its outputs. The first option is the "
            "order of FER2013, the second is the alphabetical order, in which Keras reads folders, "
            "and the third is the order of FER+. Not needed with NAME.meta.json.",
        )
    with name_column:
        st.text_input(
            "Name", key=_NAME, placeholder="name of the file", max_chars=_MAX_MODEL_NAME_LENGTH
        )
    scale_column, mean_column, std_column = st.columns([2, 1, 1], vertical_alignment="bottom")
    with scale_column:
        titles: dict[str, str] = {_AUTOMATIC: "read from the network"}
        titles.update((str(scale), text) for scale, text in SCALE_RANGES.items())
        st.selectbox(
            "Pixel intensities in training",
            list(titles),
            key=_SCALE,
            format_func=titles.__getitem__,
            help="The range of the pixel intensities that the network was trained on. It can often "
            "be read from the network's first operations. If the network begins directly with a "
            "layer, such as a convolution, 0 to 1 is assumed.",
        )
    with mean_column:
        st.text_input(
            "Mean (optional)",
            key=_MEAN,
            placeholder="none",
            help="The mean that was subtracted in training, in units of the range: one number, or "
            "one for each of three channels, separated by commas.",
        )
    with std_column:
        st.text_input(
            "Standard deviation (optional)",
            key=_STD,
            placeholder="none",
            help="The standard deviation by which the intensities were divided in training, in the "
            "same form as the mean.",
        )


def _show_check(uploads: Sequence[UploadedFile], settings: Settings) -> None:
    """Draw the fields and the result of a check, which compares scalings on a dataset."""
    with st.expander("Not sure about the pixel intensities?", icon=":material/help:"):
        st.caption(
            f"Classifies up to {MAX_IMAGES:,} images of a dataset with each usual scaling of the "
            "pixel intensities. With the right scaling, the accuracy is usually far higher. "
            "Nothing is imported."
        )
        names = [name for name in dataset_names(settings) if name != DEMO_NAME]
        with st.container(horizontal=True, vertical_alignment="bottom"):
            data: str = st.selectbox("Dataset", [*names, DEMO_NAME], key=_CHECK_DATA, width=260)
            is_pressed = st.button("Compare scalings", icon=":material/rule:", key="model_check")
        if is_pressed:
            _try_to_start(lambda: _start_check(uploads, data, settings))
        candidates: list[ScalingCandidate] | None = st.session_state.get(_CANDIDATES)
        if candidates:
            _show_candidates(candidates)


def _show_candidates(candidates: Sequence[ScalingCandidate]) -> None:
    """Draw the compared scalings, the most accurate first."""
    st.dataframe(
        [
            {
                "Pixel intensities": SCALE_RANGES[candidate.scale],
                "Mean": _numbers_text(candidate.mean),
                "Standard deviation": _numbers_text(candidate.std),
                "Accuracy": 100 * candidate.accuracy,
            }
            for candidate in candidates
        ],
        hide_index=True,
        alt="The accuracy of each scaling, the highest first",
        column_config={"Accuracy": st.column_config.NumberColumn(format="%.1f %%")},
    )
    st.button(
        "Use the most accurate",
        icon=":material/check:",
        key="model_use_candidate",
        on_click=_use_candidate,
        args=(candidates[0],),
    )


def _use_candidate(candidate: ScalingCandidate) -> None:
    """Fill in the fields of the scaling; the callback of a button."""
    st.session_state[_SCALE] = candidate.scale
    st.session_state[_MEAN] = _numbers_text(candidate.mean)
    st.session_state[_STD] = _numbers_text(candidate.std)


def _numbers_text(values: tuple[float, ...] | None) -> str:
    """Format a mean or standard deviation as its field shows it; empty for None."""
    return "" if values is None else ", ".join(f"{value:g}" for value in values)


def _show_jobs_and_outcome() -> None:
    """Draw this session's unfinished jobs, other sessions' imports, and the latest outcome."""
    session_jobs = [st.session_state.get(key) for key in (_IMPORT_JOB, _CHECK_JOB)]
    for job in session_jobs:
        if job is not None:
            show_progress(job, stop_key=f"stop_{job.kind.name.replace(' ', '_')}")
    for job in job_service().unfinished(MODEL_IMPORT):
        if job not in session_jobs:
            show_progress(job, stop_key=None)  # only the session that started it can stop it
    outcome: _Outcome | None = st.session_state.get(_OUTCOME)
    if outcome is None:
        return
    if outcome.imported is None:
        show_error(outcome.error or "")
        return
    st.success(
        f"**{plain_text(outcome.imported.name)}** was imported; all pages offer it now.",
        icon=":material/check:",
    )


def _try_to_start(start_selected_job: Callable[[], None]) -> None:
    """Start a job if the visitor is an editor; rerun the page, which shows the job or the error."""
    st.session_state.pop(_OUTCOME, None)
    try:
        require_editor()
        start_selected_job()
    except InputError as error:
        st.session_state[_OUTCOME] = _Outcome(error=str(error))
    st.rerun()


def _start_import(uploads: Sequence[UploadedFile], settings: Settings) -> None:
    """Start the import of the uploads with the options of the form.

    Raises:
        InputError: The uploads, an option or the name cannot be used.
    """
    files = _checked_files(uploads)
    request = _request_from_form(files)
    model_name = request.name or name_from_file(Path(files.network))
    if request.replace:
        if not is_plain_name(model_name):
            check_name_is_free(model_name, settings)  # its error says what a name may contain
    elif any((root / model_name).exists() for root in settings.model_roots):
        raise InputError(
            f"There is already a model {model_name!r}; enter another name, or turn on 'Replace a "
            "model of this name'."
        )
    else:
        check_name_is_free(model_name, settings)

    def import_model(job: Job) -> ImportedModel:
        return _with_files(
            job,
            files,
            settings,
            lambda path, on_wait: import_in_process(
                path,
                settings,
                _with_weights(request, files, path.parent),
                on_wait=on_wait,
            ),
        )

    st.session_state[_IMPORT_JOB] = start_job(
        MODEL_IMPORT, model_name, f"Importing {files.network}", import_model
    )


def _start_check(uploads: Sequence[UploadedFile], data: str, settings: Settings) -> None:
    """Start the comparison of scalings on the dataset with the name ``data``.

    Raises:
        InputError: The uploads or an option cannot be used, or the dataset does not exist.
    """
    files = _checked_files(uploads)
    request = _request_from_form(files)
    if data not in (DEMO_NAME, *dataset_names(settings)):
        raise InputError(f"The dataset {data!r} no longer exists; choose another one.")

    def compare_scalings(job: Job) -> list[ScalingCandidate]:
        job.set_note("reading the dataset")
        faces = load_dataset(data, settings)
        _, rows = sample_rows(faces, MAX_IMAGES)
        if not len(rows):
            raise InputError(f"The dataset {data!r} has no images; choose another one.")
        return _with_files(
            job,
            files,
            settings,
            lambda path, on_wait: check_scalings_in_process(
                path,
                faces.images[rows],
                faces.labels[rows],
                faces.classes,
                request=_with_weights(request, files, path.parent),
                folder=path.parent,
                on_wait=on_wait,
            ),
        )

    key = ("".join(upload.file_id for upload in uploads), data, str(request))
    st.session_state[_CANDIDATES] = None
    st.session_state[_CHECK_JOB] = start_job(
        SCALING_CHECK, key, f"Comparing scalings of {files.network}", compare_scalings
    )


@dataclass(frozen=True)
class _ModelFiles:
    """The uploads of one model.

    Attributes:
        contents: The uploads by their file names.
        network: The name of the file with the network.
        weights: The name of the file with the weights; None if it is not known. It is known only if
            the network is a ``.json`` file (an architecture without weights), and if there is
            exactly one more upload that is not metadata.
        has_metadata: True if ``NAME.meta.json`` of the network is among the uploads.
    """

    contents: dict[str, UploadedFile]
    network: str
    weights: str | None
    has_metadata: bool


def _checked_files(uploads: Sequence[UploadedFile]) -> _ModelFiles:
    """Return the uploads of one model.

    Raises:
        InputError: There are no uploads or too many, an upload is too large, or it is unclear which
            upload is the network.
    """
    if not uploads:
        raise InputError("No file was chosen; drop a .keras, .h5 or .onnx file above.")
    if len(uploads) > _MAX_FILES:
        raise InputError(
            f"A model has at most {_MAX_FILES} files (network, weights, metadata); remove some of "
            f"the {len(uploads)} uploads."
        )
    for upload in uploads:
        check_size(upload, MAX_UPLOAD_MB)
    contents = {safe_file_name(upload.name): upload for upload in uploads}
    metadata = [name for name in contents if name.lower().endswith(META_SUFFIX)]
    others = [name for name in contents if name not in metadata]
    # The loop ends at the first group of suffixes that occurs; a file with such a suffix is the
    # network. The order matters: an HDF5 file next to a .json file contains weights, and any file
    # next to an .onnx file may contain weights.
    for suffixes in ((".onnx", ".keras"), (".json",), (".h5", ".hdf5")):
        networks = [name for name in others if PurePath(name).suffix.lower() in suffixes]
        if networks:
            break
    else:
        networks = others
    if len(networks) != 1:
        raise InputError(
            "One model is imported at a time; upload one network, and if they exist, its weights "
            f"and NAME{META_SUFFIX}."
        )
    network = networks[0]
    is_json = PurePath(network).suffix.lower() == ".json"
    weights = [name for name in others if name != network] if is_json else []
    has_metadata = f"{PurePath(network).stem}{META_SUFFIX}" in metadata
    return _ModelFiles(contents, network, weights[0] if len(weights) == 1 else None, has_metadata)


def _request_from_form(files: _ModelFiles) -> ImportRequest:
    """Return the options that the fields of the form contain.

    Raises:
        InputError: A field is not valid, or the labels are missing.
    """
    labels = (st.session_state.get(_LABELS) or "").strip()
    if not labels and not files.has_metadata:
        raise InputError(
            f"{files.network} does not contain the names of its outputs; choose or enter the "
            "labels in their order."
        )
    mean, std = ((st.session_state.get(key) or "").strip() for key in (_MEAN, _STD))
    scale_option: str = st.session_state.get(_SCALE) or _AUTOMATIC
    # Contains the selected scale, here with the type ``Scale``; empty for _AUTOMATIC.
    scales: list[Scale] = [scale for scale in SCALE_RANGES if scale == scale_option]
    return ImportRequest(
        name=(st.session_state.get(_NAME) or "").strip() or None,
        labels=parse_labels(labels) if labels else None,
        scale=scales[0] if scales else None,
        mean=parse_channels(mean, "The mean") if mean else None,
        std=parse_channels(std, "The standard deviation", must_be_positive=True) if std else None,
        replace=bool(st.session_state.get(_REPLACE)),
    )


def _with_weights(request: ImportRequest, files: _ModelFiles, folder: Path) -> ImportRequest:
    """Return the request with the path of the weights in a folder, if weights were uploaded."""
    return request if files.weights is None else replace(request, weights=folder / files.weights)


def _with_files(
    job: Job,
    files: _ModelFiles,
    settings: Settings,
    process: Callable[[Path, Callable[[], None]], _Result],
) -> _Result:
    """Store the uploads in a temporary folder, and call ``process`` with the network in it.

    Args:
        job: The job, whose note shows the time since the start.
        files: The uploads.
        settings: Settings with the location of ``models/``.
        process: Imports or checks the model. It receives the path of the network, and a function
            that it calls regularly while it waits.

    Returns:
        What ``process`` returns.

    Raises:
        InputError: The uploads cannot be stored, or ``process`` failed. The message does not
            contain the path of the temporary folder.
    """
    with _stored_files(files, settings) as path:
        start_time = time.monotonic()

        def on_wait() -> None:
            job.set_note(f"{time.monotonic() - start_time:.0f} s so far, usually 5 to 30 s")

        try:
            return process(path, on_wait)
        except ModelOptionError as error:
            raise InputError(_message_for_form(error, path.name)) from error
        except InputError as error:
            raise InputError(str(error).replace(f"{path.parent}{os.sep}", "")) from error


@contextmanager
def _stored_files(files: _ModelFiles, settings: Settings) -> Iterator[Path]:
    """Store the uploads in a temporary hidden folder; yield the path of the network in this folder.

    The folder is deleted at the end.
    """
    root = settings.models_root
    with os_errors_as_input_errors(f"The upload cannot be stored in {root}"):
        root.mkdir(parents=True, exist_ok=True)
    with temporary_folder("upload", root) as folder:
        with os_errors_as_input_errors(f"The upload cannot be stored in {root}"):
            for name, upload in files.contents.items():
                with (folder / name).open("wb") as file:
                    file.write(upload.getbuffer())
        yield folder / files.network


def _message_for_form(error: ModelOptionError, name: str) -> str:
    """Return the message of an error about an option, for a user of the form.

    The original message names the options of the command line.

    Args:
        error: The error.
        name: The name of the file with the network.
    """
    if error.option == "labels":
        return f"{name} {error.reason}; enter one label for each output, in their order."
    return (
        f"{name} does not show which pixel intensities it was trained on ({error.reason}); choose "
        "them under 'Pixel intensities in training', or compare the usual ones on a dataset."
    )
