"""Audit of a dataset: duplicates, leaks, blank images, doubtful labels, and a map of the faces."""

from __future__ import annotations

import streamlit as st

from fer_core.dataset.findings import Finding, blank_finding, exact_findings
from fer_core.dataset.quick_fixes import QUICK_FIXES
from fer_core.errors import InputError
from fer_studio.ui.curating import offer_quick_fix, show_curation_outcome
from fer_studio.ui.dataset.embedding_view import show_embedding
from fer_studio.ui.dataset.finding_view import show_finding
from fer_studio.ui.dataset.guard import section
from fer_studio.ui.dataset.near import NearResult, near_result
from fer_studio.ui.dataset.network_findings import NETWORK_FINDINGS, show_network_finding
from fer_studio.ui.datasets import OpenDataset, dataset_quality, exact_audit
from fer_studio.ui.kept import kept_selectbox
from fer_studio.ui.messages import show_error

_MAP = "map"
_NEAR = {
    "near_duplicates": "Near-duplicates",
    "near_conflicts": "Near-duplicates with conflicting labels",
    "near_leaks": "Near-leaks: near-duplicates across splits",
}


@section
def show_audit(dataset: OpenDataset) -> None:
    """Draw the counts and the selected finding."""
    _show_metrics(dataset)
    # The progress bar has its own container, so that the elements below keep their position when it
    # disappears. Otherwise the browser would replace them, and lose the focus or a click.
    with st.container():
        near = _near_result(dataset)
    ready = _ready_findings(dataset.key, dataset) | (near.findings if near else {})
    titles = _titles(ready)
    kind = kept_selectbox(
        "Finding",
        list(titles),
        key="audit_finding",
        name="finding",
        format_func=titles.__getitem__,
        width=480,
        help="Duplicates and blank images are found by comparing pixels. The last entries of the "
        "list use a model, which runs when you press a button.",
    )
    if kind == _MAP:
        show_embedding(dataset)
    elif kind in NETWORK_FINDINGS:
        show_network_finding(dataset, kind)
    elif kind in ready:
        _show_quick_fixes(dataset, kind, near)
        show_finding(dataset, ready[kind], source=kind)
    else:
        st.info(
            "The search is still running; the result appears here.", icon=":material/hourglass:"
        )


def _near_result(dataset: OpenDataset) -> NearResult | None:
    try:
        return near_result(dataset)
    except InputError as error:
        show_error(error)
        return None


def _show_metrics(dataset: OpenDataset) -> None:
    audit = exact_audit(dataset)
    with st.container(horizontal=True):
        st.metric(
            "Duplicate groups",
            f"{len(audit.groups):,}",
            border=True,
            height="stretch",
            help="Images with exactly the same pixels.",
        )
        images = sum(len(group) for group in audit.groups)
        st.metric("Duplicate images", f"{images:,}", border=True, height="stretch")
        st.metric(
            "Conflicting groups",
            f"{len(audit.conflicting_groups):,}",
            border=True,
            height="stretch",
            help="The same pixels under different labels: at least one of them is wrong.",
        )
        for split, rows in audit.leaked_rows.items():
            st.metric(
                f"{split.capitalize()} leaks",
                f"{len(rows):,}",
                border=True,
                height="stretch",
                help=f"Images of {split} that also appear in train: the results of a model on them "
                f"are too optimistic.",
            )
        st.metric("Blank images", f"{len(audit.blank_rows):,}", border=True, height="stretch")


@st.cache_resource(max_entries=2, show_spinner="Comparing all images…")
def _ready_findings(key: str, _dataset: OpenDataset) -> dict[str, Finding]:
    findings = exact_findings(_dataset.faces, exact_audit(_dataset))
    blanks = blank_finding(_dataset.faces, dataset_quality(_dataset))
    return findings | {blanks.kind: blanks}


def _titles(ready: dict[str, Finding]) -> dict[str, str]:
    """Return the title of every finding, with its counts if they are known."""
    titles = {kind: _title_with_counts(finding) for kind, finding in ready.items()}
    for kind, title in _NEAR.items():
        titles.setdefault(kind, title)
    return titles | NETWORK_FINDINGS | {_MAP: "Map of the faces"}


def _title_with_counts(finding: Finding) -> str:
    if not len(finding):
        return f"{finding.title}: none"
    images = f"{len(finding):,} images"
    groups = f"{len(finding.groups):,} groups, " if finding.is_grouped else ""
    return f"{finding.title}: {groups}{images}"


def _show_quick_fixes(dataset: OpenDataset, kind: str, near: NearResult | None) -> None:
    fixes = [fix for fix in QUICK_FIXES if fix.source == kind]
    if fixes:
        show_curation_outcome()
    for fix in fixes:
        offer_quick_fix(dataset, fix, near.near if near else None)
