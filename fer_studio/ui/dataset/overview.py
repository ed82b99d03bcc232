"""Overview of a dataset: counts, shares, and class imbalance."""

from __future__ import annotations

import streamlit as st

from fer_core.charts.dataset import count_bars, share_bars
from fer_core.csv_text import csv_text
from fer_core.dataset.class_report import class_warnings, merge_notes
from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.statistics import Overview
from fer_core.dataset.store import is_demo, read_record
from fer_core.errors import InputError
from fer_core.phrases import capitalized
from fer_studio.ui.charts import show_chart
from fer_studio.ui.dataset.guard import section
from fer_studio.ui.datasets import LoadedDataset, dataset_overview
from fer_studio.ui.downloads import offer_download
from fer_studio.ui.messages import show_error
from fer_studio.ui.metrics import METRIC_HEIGHT, metric_grid
from fer_studio.ui.persistent_widgets import persistent_segments
from fer_studio.ui.tables import table_height
from fer_studio.ui.text import plain_text

#: Maximum number of lines in the table of skipped files and rows.
_MAX_LISTED = 500


@section
def show_overview(dataset: LoadedDataset) -> None:
    """Draw the number of images by class and split, and the origin of the dataset."""
    overview = dataset_overview(dataset)
    if is_demo(str(dataset.folder)):
        st.info(
            "These faces are drawn, with errors injected on purpose. Results on them do not apply "
            "to real faces.",
            icon=":material/draw:",
        )
    _show_metrics(overview)
    st.info(plain_text(overview.summary), icon=":material/school:", title="What the numbers mean")
    for sentence in class_warnings(dataset.faces):
        st.warning(plain_text(sentence), icon=":material/warning:")
    left, right = st.columns(2)
    with left:
        present = [split for split in SPLITS if overview.counts[split]]
        if present:
            split = persistent_segments(
                "Split", present, key="overview_split", name="split", noun="split"
            )
            counts = overview.counts[split]
            show_chart(
                count_bars(counts, split),
                title=f"Images per class in {split}",
                key=f"counts_{split}",
                file=f"{dataset.name}-{split}-counts",
                alt=f"Images of {split}: "
                + ", ".join(f"{name} {count:,}" for name, count in counts.items()),
            )
    with right:
        show_chart(
            share_bars(overview.shares),
            title="Share of each class in every split",
            key="shares",
            file=f"{dataset.name}-shares",
            alt="Bars: the share of each class in every split, as in the table below",
        )
    _show_table(overview, dataset.name)
    _show_skipped(dataset)
    _show_origin(dataset)


def _show_metrics(overview: Overview) -> None:
    sizes = overview.split_sizes
    evaluated_split = "validation" if sizes["validation"] else overview.reference_split
    majority = overview.majority_accuracy(evaluated_split)
    with metric_grid(6):
        st.metric("Images", f"{sum(sizes.values()):,}", border=True, height=METRIC_HEIGHT)
        for split in SPLITS:
            st.metric(
                split.capitalize(),
                f"{sizes[split]:,}" if sizes[split] else "none",
                border=True,
                height=METRIC_HEIGHT,
            )
        st.metric(
            "Imbalance",
            "undefined"
            if overview.imbalance_ratio is None
            else f"{overview.imbalance_ratio:.1f} : 1",
            border=True,
            height=METRIC_HEIGHT,
            help="Class imbalance: size of the largest class relative to the smallest, in "
            f"{overview.reference_split}.",
        )
        st.metric(
            # On a phone there is no space for "Majority-class baseline".
            "Majority baseline",
            "undefined" if majority is None else f"{100 * majority:.1f} %",
            border=True,
            height=METRIC_HEIGHT,
            help=f"Majority-class baseline: accuracy on {evaluated_split} if a model always "
            f"predicts the largest class of {overview.reference_split}"
            + (f", {overview.largest_class}." if overview.largest_class else "."),
        )


def _show_table(overview: Overview, name: str) -> None:
    # The expander is empty until it is opened, because a table is a large download for the browser.
    expander = st.expander(
        "Counts, shares and class weights as a table",
        icon=":material/table:",
        key="counts_table",
        on_change="rerun",
    )
    if not expander.open:
        return
    rows = _table_rows(overview)
    with expander:
        st.dataframe(
            rows,
            hide_index=True,
            alt="Images, shares and class weight of each class",
            column_config={
                "Weight": st.column_config.NumberColumn(
                    format="%.2f",
                    help="If a recipe uses class weights: the weight of each image of the class in "
                    "the loss. With these weights, all classes count equally.",
                ),
                **{
                    f"{split} share": st.column_config.NumberColumn(format="%.1f %%")
                    for split in SPLITS
                },
            },
        )
        offer_download(
            "CSV",
            lambda: _as_csv(rows),
            f"{name}-counts.csv",
            key="download_counts",
        )


def _table_rows(overview: Overview) -> list[dict[str, object]]:
    weights, shares = overview.class_weights, overview.shares
    rows = []
    for name in overview.counts[overview.reference_split]:
        row: dict[str, object] = {"Class": name}
        for split, counts in overview.counts.items():
            if counts:
                row[split] = counts[name]
                row[f"{split} share"] = round(100 * shares[split][name], 2)
        row["Weight"] = round(weights[name], 3) if name in weights else None
        rows.append(row)
    return rows


def _show_skipped(dataset: LoadedDataset) -> None:
    faces = dataset.faces
    if not faces.skipped:
        return
    subject = "1 file or row was" if faces.skipped == 1 else f"{faces.skipped:,} files or rows were"
    with st.expander(f"{subject} skipped on import", icon=":material/warning:"):
        _show_skipped_files(faces)
        st.dataframe(
            [
                {"File or row": problem.name, "Reason": problem.reason, "Count": problem.count}
                for problem in faces.problems[:_MAX_LISTED]
            ],
            hide_index=True,
            height=table_height(len(faces.problems), maximum=300),
            alt="Files and rows skipped on import, with reasons",
        )
        if len(faces.problems) > _MAX_LISTED:
            st.caption(
                f"The first {_MAX_LISTED} of {len(faces.problems):,} lines; the CSV contains all."
            )
        offer_download(
            "CSV",
            lambda: _skipped_csv(faces),
            f"{dataset.name}-skipped.csv",
            key="download_skipped",
        )


def _show_skipped_files(faces: FaceSet) -> None:
    """Draw the number of skipped files by class and suffix; nothing if there are none."""
    if not faces.skipped_files:
        return
    st.caption("Skipped files by class and suffix")
    st.dataframe(
        [
            {
                "Class": group.class_name or "(unknown)",
                "Suffix": group.suffix or "(none)",
                "Reason": group.reason,
                "Count": group.count,
            }
            for group in faces.skipped_files
        ],
        hide_index=True,
        height=table_height(len(faces.skipped_files), maximum=300),
        alt="Skipped files by class and suffix, with reasons",
    )
    st.caption("All skipped files and rows")


def _show_origin(dataset: LoadedDataset) -> None:
    """Draw the source and date of the import, the settings of the splits, and all notes."""
    try:
        record = read_record(dataset.name, dataset.settings)
    except InputError as error:
        show_error(error)
        return
    source = plain_text(record.source)
    day = record.imported[:10]
    if record.split_choice is None:  # the demo set
        text = f"{capitalized(source)}, {day}."
    else:
        choice = record.split_choice
        text = (
            f"Imported from {source}, {day}. Settings for missing splits: "
            f"{100 * choice.validation_share:.0f} % validation, {100 * choice.test_share:.0f} % "
            f"test, seed {choice.seed}."
        )
    groups = dataset.faces.split_groups
    if groups is not None:
        text += f" {plain_text(groups.summary)}"
    notes = (*dataset.faces.notes, *merge_notes(dataset.faces))
    notes_text = " ".join(plain_text(note) for note in notes)
    st.caption(f"{text} {notes_text} Fingerprint {record.fingerprint[:12]}.")
    for warning in groups.warnings if groups is not None else ():
        st.warning(plain_text(warning), icon=":material/warning:")


def _skipped_csv(faces: FaceSet) -> str:
    return _as_csv(
        [
            {"name": problem.name, "reason": problem.reason, "count": problem.count}
            for problem in faces.problems
        ]
    )


def _as_csv(rows: list[dict[str, object]]) -> str:
    return csv_text(list(rows[0]), [list(row.values()) for row in rows])
