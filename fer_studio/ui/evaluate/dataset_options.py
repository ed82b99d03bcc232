"""The datasets that a model can be evaluated on, as imported or curated."""

from __future__ import annotations

import streamlit as st

from fer_core.dataset.curation import CuratedFaceSet, apply_curation
from fer_core.dataset.store import DEMO_NAME, dataset_names
from fer_core.settings import Settings
from fer_studio.ui.curating import CurationState
from fer_studio.ui.datasets import LoadedDataset

#: Maximum number of cached curated datasets; each of them contains a copy of the images.
_MAX_CURATED = 2


def offered_datasets(settings: Settings) -> list[str]:
    """Return the names of the datasets, imported ones first, then the demo set."""
    return [name for name in dataset_names(settings) if name != DEMO_NAME] + [DEMO_NAME]


def curated_dataset(dataset: LoadedDataset, state: CurationState) -> CuratedFaceSet:
    """Return a dataset with its curation decisions applied to all splits."""
    return _curated(dataset.key, state.curation.fingerprint, dataset, state)


@st.cache_resource(max_entries=_MAX_CURATED, show_spinner="Applying the curation…")
def _curated(
    key: str, curation_key: str, _dataset: LoadedDataset, _state: CurationState
) -> CuratedFaceSet:
    curated = apply_curation(_dataset.faces, _state.curation)
    _ = curated.faces.fingerprint  # computed and kept, so that no later click waits for it
    return curated
