"""The datasets that a model can be evaluated on, as imported and as curated."""

from __future__ import annotations

import streamlit as st

from fer_core.dataset.curation import CuratedFaceSet, apply_curation
from fer_core.dataset.store import DEMO_NAME, dataset_names
from fer_core.settings import Settings
from fer_studio.ui.curating import CurationState
from fer_studio.ui.datasets import OpenDataset

#: Each is a copy of what is left of the images.
_CURATED_HELD = 2


def offered_datasets(settings: Settings) -> list[str]:
    """Names of the datasets, imported ones first, the demo set last."""
    return [name for name in dataset_names(settings) if name != DEMO_NAME] + [DEMO_NAME]


def curated_dataset(dataset: OpenDataset, state: CurationState) -> CuratedFaceSet:
    """What the decisions leave of a dataset, in all its splits."""
    return _curated(dataset.key, state.curation.fingerprint, dataset, state)


@st.cache_resource(max_entries=_CURATED_HELD, show_spinner="Applying the curation…")
def _curated(
    key: str, curation_key: str, _dataset: OpenDataset, _state: CurationState
) -> CuratedFaceSet:
    curated = apply_curation(_dataset.faces, _state.curation)
    _ = curated.faces.fingerprint  # computed once, here, and not on someone's click
    return curated
