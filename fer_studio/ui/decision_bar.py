"""The bar at the bottom of a section: the number of decisions, and buttons to undo and download."""

from __future__ import annotations

import streamlit as st

from fer_core.dataset.curation_csv import curation_csv
from fer_core.phrases import counted
from fer_studio.ui.curating import DECISIONS, curation_state, offer_undo, show_curation_outcome
from fer_studio.ui.datasets import LoadedDataset
from fer_studio.ui.downloads import offer_download

_KEY = "decision_bar"
#: Styles that keep the bar at the bottom of the window. ``st.bottom`` cannot be used, because a
#: section is a fragment, and a fragment cannot draw widgets outside of itself.
_STYLE = f"""
<style>
/* A sticky element moves only within its parent. The parent of the bar is not taller than the bar,
   so these styles make the parent sticky. */
:has(> .st-key-{_KEY}) {{ position: sticky; bottom: 0; z-index: 10; }}
.st-key-{_KEY} {{
  padding: 0.5rem 0; border-top: 1px solid gray;
  background: color-mix(in srgb, Canvas 75%, transparent); backdrop-filter: blur(12px);
}}
/* On a phone, the bar has several lines; if it were sticky, it would cover the faces. */
@media (max-width: 640px) {{ :has(> .st-key-{_KEY}) {{ position: static; }} }}
</style>
"""


def show_decision_bar(dataset: LoadedDataset) -> None:
    """Draw the bar if there are decisions about a dataset, or an undone change that can be redone.

    Raises:
        InputError: The decisions cannot be read.
    """
    show_curation_outcome()
    state = curation_state(dataset)
    if not state.curation.entries and state.file.redoable() is None:
        return
    counts = state.curation.counts()
    count_texts = [
        f"{counts[action]:,} {button.participle}"
        for action, button in DECISIONS.items()
        if counts[action]
    ]
    st.html(_STYLE)
    with st.container(key=_KEY, horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(
            f":material/gavel: **{counted(len(state.curation.entries), 'decision')}**"
            + (f": {', '.join(count_texts)}" if count_texts else ""),
            width="content",
        )
        offer_undo(dataset, state, key="curation_undo")
        offer_download(
            "Decisions as CSV",
            lambda: curation_csv(state.curation),
            f"{dataset.name}-curation.csv",
            key="curation_csv",
            icon=":material/download:",
            is_disabled=not state.curation.entries,
        )
