"""Downloads: tables, summary, subtitles and the annotated video."""

from __future__ import annotations

import json
from pathlib import PurePath

import streamlit as st

from fer_core.settings import Settings
from fer_core.video.analyses import make_annotated_video
from fer_core.video.analysis_folder import ANNOTATED_FILE
from fer_core.video.documents import analysis_document
from fer_core.video.face_table import to_csv, to_parquet
from fer_core.video.summary import DEFAULT_THRESHOLD
from fer_studio.ui.downloads import offer_download
from fer_studio.ui.video.feedback import run_on_analysis
from fer_studio.ui.video.loaded_analysis import LoadedAnalysis, subtitles_of


def show_downloads(analysis: LoadedAnalysis, settings: Settings) -> None:
    """Draw the buttons of all downloads.

    The annotated video reflects the names, merges and exclusions that applied when it was made. All
    other files reflect the current ones.
    """
    table, names = analysis.table, analysis.edits.name_by_person
    stem = PurePath(analysis.settings.video).stem or "video"
    key = analysis.key
    st.caption(
        "The files contain the names that you gave, with persons merged and left out as you chose. "
        "docs/video.md explains the columns."
    )
    with st.container(horizontal=True):
        offer_download(
            "CSV",
            lambda: to_csv(table, names),
            f"{stem}-faces.csv",
            key=f"video_csv_{key}",
            hint="One row per person and analyzed frame.",
        )
        offer_download(
            "Parquet",
            lambda: to_parquet(table, names),
            f"{stem}-faces.parquet",
            key=f"video_parquet_{key}",
            hint="The same table in a smaller file with data types, for pandas, R or DuckDB.",
        )
        offer_download(
            "JSON",
            lambda: _json_file(analysis),
            f"{stem}-emotions.json",
            key=f"video_json_{key}",
            hint="The summary, the episodes, the markers, and the table as a list per column.",
        )
        offer_download(
            "Subtitles",
            lambda: subtitles_of(analysis),
            f"{stem}-emotions.vtt",
            key=f"video_vtt_{key}",
            hint="The dominant class of each person at each time, as WebVTT.",
        )
    _show_annotated_video(analysis, stem, settings)


def _show_annotated_video(analysis: LoadedAnalysis, stem: str, settings: Settings) -> None:
    path, key = analysis.folder.path / ANNOTATED_FILE, analysis.key
    with st.container(horizontal=True, vertical_alignment="center"):
        if path.is_file():
            offer_download(
                "Annotated video",
                path.read_bytes,
                f"{stem}-annotated.mp4",
                key=f"video_mp4_{key}",
                hint="H.264 with the original sound.",
            )
        if analysis.source is None:
            return
        blur_key = f"video_draw_blur_{key}"
        st.button(
            "Make it again" if path.is_file() else "Make the annotated video",
            key=f"video_draw_{key}",
            icon=":material/draw:",
            on_click=_make_video,
            args=(key, blur_key, settings),
            help="Draws boxes, labels and the current names into a copy of the video. This takes "
            "about as long as the video lasts.",
        )
        st.checkbox("Blur the faces", key=blur_key, value=analysis.settings.blurs)


def _make_video(analysis_id: str, blur_key: str, settings: Settings) -> None:
    blurs = bool(st.session_state.get(blur_key))
    run_on_analysis(
        analysis_id,
        settings,
        lambda summary: make_annotated_video(summary.folder, settings, blurs=blurs),
    )


def _json_file(analysis: LoadedAnalysis) -> bytes:
    document = analysis_document(
        analysis.table, analysis.settings, analysis.edits, threshold=DEFAULT_THRESHOLD
    )
    return json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
