"""Dataset: what is in the data, what is wrong with it, and the remedies."""

import streamlit as st

from fer_studio.ui.frame import open_page, show_responsible_use

open_page("dataset")
st.caption(
    "See what a training would learn from: how many faces of each emotion, what they look like, "
    "which are doubtful. Decide what is left out."
)

# Imported behind the first things on the page: OpenCV takes a moment to load.
from fer_core.settings import load_settings
from fer_studio.ui.dataset.choice import choose_dataset
from fer_studio.ui.dataset.sections import show_sections

dataset = choose_dataset(load_settings())
if dataset is not None:
    show_sections(dataset)
show_responsible_use()
