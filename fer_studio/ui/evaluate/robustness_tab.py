"""The robustness tab: accuracy by image quality, and under image corruptions."""

from __future__ import annotations

import numpy as np
import streamlit as st

from fer_core.access import Role
from fer_core.charts.evaluation import robustness_lines, slice_points
from fer_core.evaluation.breakdowns import RobustnessCurve, Slicing
from fer_core.evaluation.corruptions import CORRUPTIONS, corrupted
from fer_core.evaluation.robustness import measure_robustness
from fer_core.evaluation.slices import image_slicings, slice_by_score
from fer_core.jobs.job import JobKind
from fer_core.metrics.formatting import percent, percent_interval
from fer_studio.ui.charts import show_chart
from fer_studio.ui.evaluate.evaluations import LoadedEvaluation
from fer_studio.ui.evaluate.faces import explain_missing_images
from fer_studio.ui.evaluate.image_findings import votes_of
from fer_studio.ui.gallery import show_faces
from fer_studio.ui.guard import section
from fer_studio.ui.jobs import job_service, result_of, show_progress, start_job
from fer_studio.ui.loaders import open_predictor
from fer_studio.ui.tables import percent_column

ROBUSTNESS = JobKind("robustness", Role.VIEWER)

#: The sample sizes that the user can choose from: the number of images that are corrupted.
_SAMPLE_SIZES = (100, 400, 1000)


@section
def show_robustness(evaluation: LoadedEvaluation) -> None:
    """Show accuracy by image quality and under corruptions."""
    if evaluation.faces is None:
        explain_missing_images("To measure accuracy by image quality and under corruptions")
        return
    st.header("By image quality")
    _show_slices(evaluation)
    st.header("Corruptions")
    _show_corruptions(evaluation)


def _show_slices(evaluation: LoadedEvaluation) -> None:
    with st.spinner("Measuring image quality…"):
        slicings = (*quality_slicings(evaluation), *_agreement_slicing(evaluation))
    overall = float(evaluation.result.is_correct.mean())
    # Four charts side by side would be too narrow.
    columns = st.columns(3 if len(slicings) == 3 else 2)
    for number, slicing in enumerate(slicings):
        with columns[number % len(columns)]:
            show_chart(
                slice_points(slicing, overall),
                title=f"Accuracy by {slicing.title[0].lower()}{slicing.title[1:]}",
                key=f"slices_{slicing.name}",
                alt=f"Accuracy by {slicing.title.lower()}: "
                + ", ".join(percent(score_slice.accuracy.value) for score_slice in slicing.slices),
            )
    st.caption(
        "Slices of nearly equal size, with Wilson's 95 % intervals. Dashed: accuracy on all "
        f"images, {percent(overall)}."
    )
    with st.expander("Show as table", icon=":material/table:"):
        st.dataframe(
            [
                {
                    "Measure": slicing.title,
                    "From": score_slice.low,
                    "To": score_slice.high,
                    "Images": score_slice.n,
                    "Accuracy": None
                    if score_slice.accuracy.value is None
                    else 100 * score_slice.accuracy.value,
                    "Accuracy, 95 %": percent_interval(score_slice.accuracy),
                }
                for slicing in slicings
                for score_slice in slicing.slices
            ],
            hide_index=True,
            alt="Accuracy by " + ", ".join(slicing.title.lower() for slicing in slicings),
            column_config={
                "From": st.column_config.NumberColumn(format="%.1f"),
                "To": st.column_config.NumberColumn(format="%.1f"),
                "Accuracy": percent_column(),
            },
        )


def _agreement_slicing(evaluation: LoadedEvaluation) -> tuple[Slicing, ...]:
    """Return the accuracy by agreement of the FER+ annotators; empty without votes."""
    votes = votes_of(evaluation)
    if votes is None:
        return ()
    slicing = slice_by_score(
        evaluation.result,
        100 * votes.agreement[evaluation.result.rows].astype(np.float64),
        name="agreement",
        title="Agreement of FER+ annotators",
        unit="votes for the most frequent answer (%)",
    )
    return (slicing,) if slicing.slices else ()


def quality_slicings(evaluation: LoadedEvaluation) -> tuple[Slicing, ...]:
    """Return accuracy by brightness, contrast and sharpness; empty without images."""
    return () if evaluation.faces is None else _slicings(evaluation.key, evaluation)


@st.cache_resource(max_entries=6, show_spinner=False)
def _slicings(key: str, _evaluation: LoadedEvaluation) -> tuple[Slicing, ...]:
    assert _evaluation.faces is not None  # called only if there are images
    return image_slicings(_evaluation.result, _evaluation.faces)


def measured_robustness(evaluation: LoadedEvaluation) -> tuple[RobustnessCurve, ...]:
    """Return the curves of the largest measured sample; empty if robustness was not measured."""
    for size in reversed(_SAMPLE_SIZES):
        job = job_service().get(ROBUSTNESS, _job_key(evaluation, size))
        if job is not None and job.result is not None:
            curves: tuple[RobustnessCurve, ...] = job.result
            return curves
    return ()


def _job_key(evaluation: LoadedEvaluation, size: int) -> tuple[str, int]:
    return (evaluation.key, size)


def _show_corruptions(evaluation: LoadedEvaluation) -> None:
    _show_previews(evaluation)
    size = _choose_sample_size(evaluation)
    key = _job_key(evaluation, size)
    job = job_service().get(ROBUSTNESS, key)
    if job is not None and not job.is_finished:
        show_progress(job, stop_key="stop_robustness")
        return
    if job is None or job.was_cancelled:
        prediction_count = sum(len(corruption.strengths) for corruption in CORRUPTIONS)
        if st.button(
            "Measure robustness", icon=":material/play_arrow:", type="primary", key="robustness"
        ):
            _start_measurement(evaluation, size)
            st.rerun()
        st.caption(
            f"Each image is predicted {prediction_count} times, under {len(CORRUPTIONS)} "
            "corruptions of several strengths. The measurement takes a few seconds to a few "
            "minutes and runs in the background. The curves are kept until the server stops or "
            "newer curves replace them, and the report includes them."
        )
        return
    _show_curves(result_of(job))


def _choose_sample_size(evaluation: LoadedEvaluation) -> int:
    """Draw the choice of the sample size; return one of ``_SAMPLE_SIZES``.

    The smallest size is offered even if there are fewer images; the sample then contains all of
    them.
    """
    count = evaluation.result.n
    sizes = [size for size in _SAMPLE_SIZES if size < count] or [_SAMPLE_SIZES[0]]
    size: int = st.segmented_control(
        "Images",
        sizes,
        default=sizes[min(1, len(sizes) - 1)],
        required=True,
        format_func=lambda size: f"{min(size, count):,}",
        key=f"robustness_size_{len(sizes)}",
        help="A fixed random sample of the evaluated images. Fewer images are faster, more images "
        "give narrower intervals.",
    )
    return size


def _start_measurement(evaluation: LoadedEvaluation, size: int) -> None:
    faces = evaluation.faces
    assert faces is not None  # called only if there are images
    predictor = open_predictor(evaluation.bundle)
    start_job(
        ROBUSTNESS,
        _job_key(evaluation, size),
        "Predicting corrupted images",
        lambda job: measure_robustness(
            predictor, evaluation.result, faces, max_images=size, report=job.report
        ),
    )


def _show_previews(evaluation: LoadedEvaluation) -> None:
    titles = {corruption.title: corruption for corruption in CORRUPTIONS}
    with st.expander("Preview the corruptions", icon=":material/blur_on:"):
        title = st.selectbox("Corruption", list(titles), key="previewed_corruption", width=260)
        corruption = titles[title]
        face = evaluation.face(0)[np.newaxis]
        images = [face[0]] + [
            corrupted(face, corruption.name, strength)[0] for strength in corruption.strengths
        ]
        captions = ["unchanged", *[f"{strength:g}" for strength in corruption.strengths]]
        show_faces(
            images,
            captions,
            names=[f"A face, {title.lower()} {caption}" for caption in captions],
        )
        st.caption(f"Unit of the strengths: {corruption.unit}.")


def _show_curves(curves: tuple[RobustnessCurve, ...]) -> None:
    columns = st.columns(2)
    for number, curve in enumerate(curves):
        with columns[number % 2]:
            show_chart(
                robustness_lines(curve),
                title=curve.title,
                key=f"robustness_{curve.name}",
                alt=f"Accuracy under {curve.title.lower()}: "
                + ", ".join(
                    f"{point.strength:g}: {percent(point.accuracy.value)}" for point in curve.points
                ),
            )
    st.caption(
        f"Accuracy on {curves[0].n:,} of the images, with Wilson's 95 % intervals. The leftmost "
        "point is for unchanged images; the corruption gets stronger to the right."
    )
