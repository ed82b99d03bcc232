"""Accuracy by the state of the pictures: as they are, and spoiled on purpose."""

from __future__ import annotations

import numpy as np
import streamlit as st

from fer_core.access import Role
from fer_core.charts.evaluation import robustness_lines, slice_points
from fer_core.evaluation.corruptions import CORRUPTIONS, corrupted
from fer_core.evaluation.robustness import RobustnessCurve, measure_robustness
from fer_core.evaluation.slices import Slicing, image_slicings, slice_by_score
from fer_core.jobs.job import JobKind
from fer_studio.ui.evaluate.faces import need_pictures
from fer_studio.ui.evaluate.findings import votes_of
from fer_studio.ui.evaluate.subject import Subject
from fer_studio.ui.evaluate.words import percent, percent_interval
from fer_studio.ui.gallery import show_faces
from fer_studio.ui.guard import section
from fer_studio.ui.jobs import job_service, result_of, show_progress, start_job
from fer_studio.ui.loaders import open_predictor

ROBUSTNESS = JobKind("robustness", Role.VIEWER)

_SIZES = (100, 400, 1000)


@section
def show_conditions(subject: Subject) -> None:
    """Draw the slices and the robustness."""
    if not need_pictures(subject, "To see accuracy by brightness, sharpness and under disturbance"):
        return
    st.header("As the pictures are")
    _show_slices(subject)
    st.header("Spoiled on purpose")
    _show_robustness(subject)


def _show_slices(subject: Subject) -> None:
    slicings = (*_slicings(subject.key, subject), *_by_agreement(subject))
    overall = float(subject.result.is_correct.mean())
    # Four would be too narrow side by side.
    columns = st.columns(3 if len(slicings) == 3 else 2)
    for number, slicing in enumerate(slicings):
        with columns[number % len(columns)]:
            st.markdown(f"**{slicing.title}**")
            st.plotly_chart(
                slice_points(slicing, overall),
                key=f"slices_{slicing.name}",
                config={"displayModeBar": False},
                alt=f"Accuracy by {slicing.title.lower()}: "
                + ", ".join(percent(one.accuracy.value) for one in slicing.slices),
            )
    st.caption(
        "Slices of nearly equal count, with Wilson's 95 % intervals; dashed is the accuracy on all "
        f"images, {percent(overall)}."
    )
    with st.expander("As a table", icon=":material/table:"):
        st.dataframe(
            [
                {
                    "Slice by": slicing.title,
                    "From": one.low,
                    "To": one.high,
                    "Images": one.n,
                    "Accuracy": one.accuracy.value,
                    "95 %": percent_interval(one.accuracy),
                }
                for slicing in slicings
                for one in slicing.slices
            ],
            hide_index=True,
            alt="Accuracy by " + ", ".join(slicing.title.lower() for slicing in slicings),
            column_config={
                "From": st.column_config.NumberColumn(format="%.1f"),
                "To": st.column_config.NumberColumn(format="%.1f"),
                "Accuracy": st.column_config.NumberColumn(format="percent"),
            },
        )


def _by_agreement(subject: Subject) -> tuple[Slicing, ...]:
    """Accuracy by how far FER+'s taggers agree; nothing where none of the images has votes."""
    votes = votes_of(subject)
    if votes is None:
        return ()
    slicing = slice_by_score(
        subject.result,
        100 * votes.agreement[subject.result.rows].astype(np.float64),
        name="agreement",
        title="Agreement of FER+'s taggers",
        unit="votes for the commonest answer (%)",
    )
    return (slicing,) if slicing.slices else ()


@st.cache_resource(max_entries=6, show_spinner="Measuring the pictures…")
def _slicings(key: str, _subject: Subject) -> tuple[Slicing, ...]:
    assert _subject.faces is not None  # asked only where there are pictures
    return image_slicings(_subject.result, _subject.faces)


def measured_robustness(subject: Subject) -> tuple[RobustnessCurve, ...]:
    """The curves that were measured for an evaluation; empty if none were."""
    for size in reversed(_SIZES):
        job = job_service().get(ROBUSTNESS, _key(subject, size))
        if job is not None and job.result is not None:
            curves: tuple[RobustnessCurve, ...] = job.result
            return curves
    return ()


def _key(subject: Subject, size: int) -> tuple[str, int]:
    return (subject.key, size)


def _show_robustness(subject: Subject) -> None:
    _show_previews(subject)
    size = _choose_size(subject)
    key = _key(subject, size)
    job = job_service().get(ROBUSTNESS, key)
    if job is not None and not job.is_finished:
        show_progress(job, stop_key="stop_robustness")
        return
    if job is None or job.was_cancelled:
        steps = sum(len(corruption.strengths) for corruption in CORRUPTIONS)
        if st.button(
            "Measure robustness", icon=":material/play_arrow:", type="primary", key="robustness"
        ):
            _start(subject, size)
            st.rerun()
        st.caption(
            f"Every image is read {steps} times, spoiled in {len(CORRUPTIONS)} ways: from some "
            "seconds to a few minutes, in the background. The curves are kept until the server "
            "stops, and go into the report."
        )
        return
    _show_curves(result_of(job))


def _choose_size(subject: Subject) -> int:
    count = subject.result.n
    sizes = [size for size in _SIZES if size < count] or [_SIZES[0]]
    size: int = st.segmented_control(
        "Images",
        sizes,
        default=sizes[min(1, len(sizes) - 1)],
        required=True,
        format_func=lambda size: f"{min(size, count):,}",
        key=f"robustness_size_{len(sizes)}",
        help="Drawn at random from the evaluated ones, always the same: fewer are quicker, more "
        "give narrower intervals.",
    )
    return size


def _start(subject: Subject, size: int) -> None:
    faces = subject.faces
    assert faces is not None  # asked only where there are pictures
    predictor = open_predictor(subject.bundle)
    start_job(
        ROBUSTNESS,
        _key(subject, size),
        "Reading spoiled faces",
        lambda job: measure_robustness(
            predictor, subject.result, faces, max_images=size, report=job.report
        ),
    )


def _show_previews(subject: Subject) -> None:
    titles = {corruption.title: corruption for corruption in CORRUPTIONS}
    with st.expander("What is done to the pictures", icon=":material/blur_on:"):
        title = st.selectbox("Disturbance", list(titles), key="previewed_corruption", width=260)
        corruption = titles[title]
        face = subject.face(0)[np.newaxis]
        pictures = [face[0]] + [
            corrupted(face, corruption.name, strength)[0] for strength in corruption.strengths
        ]
        captions = ["untouched", *[f"{strength:g}" for strength in corruption.strengths]]
        show_faces(
            pictures,
            captions,
            names=[f"A face, {title.lower()} {caption}" for caption in captions],
        )
        st.caption(f"The numbers are {corruption.unit}.")


def _show_curves(curves: tuple[RobustnessCurve, ...]) -> None:
    columns = st.columns(2)
    for number, curve in enumerate(curves):
        with columns[number % 2]:
            st.markdown(f"**{curve.title}**")
            st.plotly_chart(
                robustness_lines(curve),
                key=f"robustness_{curve.name}",
                config={"displayModeBar": False},
                alt=f"Accuracy under {curve.title.lower()}: "
                + ", ".join(
                    f"{point.strength:g}: {percent(point.accuracy.value)}" for point in curve.points
                ),
            )
    st.caption(
        f"Accuracy on {curves[0].n:,} of the images, with Wilson's 95 % intervals; on the left the "
        "pictures are untouched, to the right they are ever worse."
    )
