"""Evaluate: how good a model is, where it fails, and whether its numbers can be believed."""

import streamlit as st

from fer_studio.ui.frame import open_page, show_responsible_use

open_page("evaluate")
st.caption(
    "How good is a model, where does it fail, and can its probabilities be believed? Choose a "
    "model and images that it has not learned from."
)

# Imported behind the first things on the page: ONNX Runtime and Plotly take a moment to load.
from fer_core.settings import load_settings
from fer_studio.ui.evaluate.choice import choose_subject
from fer_studio.ui.evaluate.sections import show_sections

subject = choose_subject(load_settings())
if subject is not None:
    show_sections(subject)
show_responsible_use()
