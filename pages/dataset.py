"""Dataset: explore the data, audit it and clean it up."""

import streamlit as st

from fer_studio.ui.frame import open_page, show_responsible_use

open_page("dataset")
st.caption(
    "Explore training data: how many faces there are per class, what they look like, and which "
    "are doubtful. Decide which images to exclude."
)

# Imported after the first elements are drawn, because OpenCV takes time to load.
from fer_core.settings import load_settings
from fer_studio.ui.dataset.choice import choose_dataset
from fer_studio.ui.dataset.sections import show_sections

dataset = choose_dataset(load_settings())
if dataset is not None:
    show_sections(dataset)
show_responsible_use()
