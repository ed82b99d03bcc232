"""The form for a new analysis: videos, model, options, and how long an upload is stored."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from fer_core.access import Role
from fer_core.dataset.store import path_within_roots
from fer_core.errors import InputError
from fer_core.settings import Settings
from fer_core.video.analyses import VIDEO_TYPES, start_analysis
from fer_core.video.analysis_settings import AnalysisSettings
from fer_core.video.sample import SAMPLE_NAME, sample_path
from fer_core.video.timecode import parse_time
from fer_studio.ui.access import admission, is_private
from fer_studio.ui.choices import choose_model
from fer_studio.ui.loaders import open_predictor
from fer_studio.ui.messages import show_error
from fer_studio.ui.text import plain_text
from fer_studio.ui.uploads import check_size, safe_file_name
from fer_studio.ui.video.feedback import run_action

#: Key of the chosen analysis in the session and in the address.
ANALYSIS_KEY = "analysis"

#: Maximum size of an upload, which the server keeps in memory until it is stored.
MAX_UPLOAD_MB = 600
#: Maximum number of videos that are analyzed at one click.
_MAX_FILES = 20
#: Maximum number of videos whose errors are shown after one click.
_MAX_ERRORS = 3
#: Session key of the number of the current uploader. A new number replaces the uploader with an
#: empty one.
_UPLOADER_NUMBER = "video_upload_round"
#: Session key that is True after a click on the button for the sample video.
_SAMPLE_REQUESTED = "video_sample_requested"
#: The value of ``source`` in the settings for an upload. ``start_analysis`` replaces this value
#: with the name of the stored file.
_UPLOAD_SOURCE = "source"
#: Number of analyzed frames per second by title; None for every frame.
_RATES: dict[str, float | None] = {
    "Every frame": None,
    "10 per second": 10.0,
    "5 per second": 5.0,
    "2 per second": 2.0,
    "1 per second": 1.0,
}
#: The options for an uploaded file.
_KEEP, _DELETE = "Keep it until I delete the analysis", "Delete it when the analysis has ended"


@dataclass(frozen=True)
class _AnalyzerChoice:
    """The chosen model and face detector.

    Attributes:
        name: The name of the model.
        classes: The classes of the model, in its order.
        emphasis: How strongly rare classes are favored.
        detector: The name of the face detector.
        minimum_confidence: A prediction is confident if the probability of the predicted class is
            at least this high, 0 to 1. Predictions for too small faces are never confident.
    """

    name: str
    classes: tuple[str, ...]
    emphasis: str
    detector: str
    minimum_confidence: float


def show_new_analysis(settings: Settings) -> None:
    """Draw the form, and start the analyses that the user requests."""
    analyzer = _choose_analyzer(settings)
    if analyzer is None:
        return
    if st.session_state.pop(_SAMPLE_REQUESTED, False):
        run_action(lambda: _start_sample(analyzer, settings))
        st.rerun()
    uploads: Sequence[UploadedFile] = ()
    path = ""
    # The options are next to the files and not below them, because the height of the upload
    # field changes while the page loads.
    files, options = st.columns([3, 2], gap="medium")
    with files:
        source_kind = st.segmented_control(
            "Source",
            ["Upload", "Import folder"],
            default="Upload",
            required=True,
            key="video_source",
            label_visibility="collapsed",
        )
        if source_kind == "Upload":
            uploads = st.file_uploader(
                "Videos",
                type=list(VIDEO_TYPES),
                accept_multiple_files=True,
                max_upload_size=MAX_UPLOAD_MB,
                key=f"video_upload_{st.session_state.get(_UPLOADER_NUMBER, 0)}",
                help="MP4, MOV, MKV, WebM, AVI, GIF and others. Several files are analyzed one "
                "after the other.",
            )
        else:
            path = st.text_input(
                "Path on this server",
                key="video_path",
                placeholder="interviews/talk.mp4",
                help="A video or a folder of videos. FER_STUDIO_IMPORT_ROOTS names the folders "
                "from which this page may read.",
            )
            roots = (
                ", ".join(f"`{root}`" for root in _import_roots(settings)) or "none is configured"
            )
            st.caption(f"For files above {MAX_UPLOAD_MB} MB. Allowed folders: {roots}.")
    with options:
        template = _choose_options(analyzer, is_upload=source_kind == "Upload")
    has_videos = bool(uploads) or bool(path.strip())
    if st.button(
        "Analyze",
        type="primary",
        icon=":material/play_arrow:",
        key="video_start",
        disabled=not has_videos or template is None,
    ):
        assert template is not None
        run_action(lambda: _start(template, uploads, path, settings))
        st.rerun()


def show_sample_offer(settings: Settings) -> None:
    """Explain the first step, and offer a sample video."""
    with st.container(border=True):
        st.markdown(
            "**Upload a video above** to see how every person in it looks over time: a "
            "timeline, the episodes of each emotion, an annotated video and tables for R or pandas."
        )
        st.button(
            "Try a sample video",
            key="video_sample",
            icon=":material/movie:",
            on_click=_request_sample,
        )
        st.caption("20 seconds of two drawn people; the analysis takes about as long.")


def _request_sample() -> None:
    st.session_state[_SAMPLE_REQUESTED] = True


def _choose_analyzer(settings: Settings) -> _AnalyzerChoice | None:
    """Draw the selections of model and face detector, and return what is selected.

    If no model can be used, the page shows the reason, and this returns None.
    """
    choice = choose_model(settings)
    bundle, emphasis, detector = choice.bundle, choice.emphasis, choice.detector
    if bundle is None:
        return None
    try:
        classes = open_predictor(bundle, emphasis).classes
    except InputError as error:
        show_error(error)
        return None
    minimum = bundle.calibration.minimum_confidence
    return _AnalyzerChoice(bundle.name, tuple(classes), emphasis, detector, minimum)


def _choose_options(analyzer: _AnalyzerChoice, *, is_upload: bool) -> AnalysisSettings | None:
    """Draw the options; return the settings for an analysis, or None if they are not valid.

    The settings do not name a video yet; ``_start`` sets ``video`` and ``source`` for each video.
    """
    rate_column, start_column, end_column = st.columns([2, 1, 1])
    rate = rate_column.selectbox(
        "Analyzed frames",
        list(_RATES),
        key="video_rate",
        help="Every frame gives the exact times of short expressions. Five per second are several "
        "times faster, and enough for expressions that last half a second or longer.",
    )
    start_text = start_column.text_input(
        "From", key="video_from", placeholder="0:00", help="Minutes and seconds, such as 1:15."
    )
    end_text = end_column.text_input("To", key="video_to", placeholder="the end")
    with st.container(horizontal=True):
        annotates = st.checkbox(
            "Annotated video",
            value=False,
            key="video_annotates",
            help="An MP4 with boxes, labels and the original sound. It can also be made later, as "
            "long as the video is stored.",
        )
        blurs = st.checkbox(
            "Blur the faces in it",
            key="video_blurs",
            disabled=not annotates,
            help="All tracked faces become unrecognizable. Check the result before you publish it: "
            "faces that the detector missed stay visible.",
        )
    keeps = True
    if is_upload:
        choice = st.radio(
            "The uploaded file",
            [_KEEP, _DELETE],
            key="video_keeps",
            horizontal=True,
            help="Without the file, clicks on the timeline show small stored pictures instead of "
            "its frames.",
        )
        keeps = choice == _KEEP
        until = "until you delete the analysis" if keeps else "until the analysis has ended"
        st.caption(
            f":material/lock: **Analyze** stores the file on the machine that runs this app, "
            f"{until}. Results with small pictures of the faces are kept until you delete the "
            "analysis." + (" Other visitors do not see them." if admission().requires_login else "")
        )
    else:
        st.caption(
            ":material/lock: The file stays where it is and is not copied. Results with small "
            "pictures of the faces are kept until you delete the analysis."
        )
    try:
        return AnalysisSettings(
            video="video",
            source=_UPLOAD_SOURCE,
            model=analyzer.name,
            classes=analyzer.classes,
            detector=analyzer.detector,
            emphasis=analyzer.emphasis,
            per_second=_RATES[rate],
            minimum_confidence=analyzer.minimum_confidence,
            start=parse_time(start_text) if start_text.strip() else 0.0,
            end=parse_time(end_text) if end_text.strip() else None,
            annotates=annotates,
            blurs=annotates and blurs,
            keeps_video=keeps,
            prepares_player=True,
            owner=admission().email,
        )
    except InputError as error:
        show_error(error)
    except ValueError:
        # The values of the fields can cause a ValueError only if the range ends before it starts.
        show_error("The end of the range should be after its start; change one of them.")
    return None


def _start(
    template: AnalysisSettings, uploads: Sequence[UploadedFile], path: str, settings: Settings
) -> None:
    """Start an analysis of each video.

    A failure to start one analysis does not prevent the others. Afterwards the page shows the
    analysis that was started last.

    Args:
        template: The settings of all analyses.
        uploads: The uploaded videos; empty to analyze the videos at ``path``.
        path: The path of a video, or of a folder of videos, on this server.
        settings: The folders of the app.

    Raises:
        InputError: The visitor may not analyze videos, an upload is too large, the path is not
            allowed or contains no videos, there are too many videos, or an analysis could not be
            started. In the last two cases, other analyses may have been started.
    """
    admission().require(Role.VIEWER)
    # For each video: its name, its path (None for an upload), and its content (only for an upload).
    videos: list[tuple[str, Path | None, BinaryIO | None]] = []
    if uploads:
        for upload in uploads[:_MAX_FILES]:
            check_size(upload, MAX_UPLOAD_MB)
            videos.append((safe_file_name(upload.name), None, upload))
        requested_count = len(uploads)
    else:
        roots = replace(settings, import_roots=_import_roots(settings))
        paths = _videos_at(path_within_roots(path, roots))
        videos = [(video.name, video, None) for video in paths[:_MAX_FILES]]
        requested_count = len(paths)
    errors = []
    for name, source, content in videos:
        analysis = replace(
            template,
            video=name,
            source=_UPLOAD_SOURCE if source is None else str(source),
            keeps_video=template.keeps_video or source is not None,
        )
        try:
            folder = start_analysis(analysis, settings, upload=content)
        except InputError as error:
            errors.append(str(error))
        else:
            st.session_state[ANALYSIS_KEY] = folder.id
    # The started analyses have stored their uploads. A new uploader lets the server free the memory
    # of the old one.
    if len(errors) < len(videos):
        st.session_state[_UPLOADER_NUMBER] = st.session_state.get(_UPLOADER_NUMBER, 0) + 1
    errors = errors[:_MAX_ERRORS]
    if requested_count > len(videos):
        errors.append(
            f"Only the first {_MAX_FILES} of {requested_count:,} videos are analyzed; choose the "
            "others afterwards."
        )
    if errors:
        raise InputError(" ".join(errors))


def _start_sample(analyzer: _AnalyzerChoice, settings: Settings) -> None:
    admission().require(Role.VIEWER)
    analysis = AnalysisSettings(
        video=SAMPLE_NAME,
        source=_UPLOAD_SOURCE,
        model=analyzer.name,
        classes=analyzer.classes,
        detector=analyzer.detector,
        emphasis=analyzer.emphasis,
        per_second=10.0,
        minimum_confidence=analyzer.minimum_confidence,
        prepares_player=True,
        owner=admission().email,
    )
    content = io.BytesIO(sample_path().read_bytes())
    folder = start_analysis(analysis, settings, upload=content)
    st.session_state[ANALYSIS_KEY] = folder.id


def _videos_at(path: Path) -> list[Path]:
    """Return the path itself, or the videos in it if it is a folder.

    Raises:
        InputError: The folder contains no videos.
    """
    if not path.is_dir():
        return [path]
    videos = sorted(
        file
        for file in path.iterdir()
        if file.is_file() and file.suffix.lower().lstrip(".") in VIDEO_TYPES
    )
    if not videos:
        raise InputError(f"{plain_text(path.name)} contains no videos; choose another folder.")
    return videos


def _import_roots(settings: Settings) -> tuple[Path, ...]:
    """Return the folders to read from; without ``Downloads`` if others can reach the app."""
    return settings.import_roots if is_private() else settings.import_roots_if_shared
