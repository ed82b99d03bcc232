"""Evaluate: metrics of a model, its mistakes, calibration and robustness."""

import streamlit as st

from fer_studio.ui.frame import open_page, show_responsible_use

open_page("evaluate")
st.caption(
    "How accurate is a model, where does it fail, and are its probabilities reliable? Choose a "
    "model and images that it was not trained on."
)

# Imported after the first elements are drawn, because ONNX Runtime and Plotly take time to load.
from fer_core.settings import load_settings
from fer_studio.ui.evaluate.sections import show_sections
from fer_studio.ui.evaluate.selection import select_evaluation

evaluation = select_evaluation(load_settings())
if evaluation is not None:
    show_sections(evaluation)
show_responsible_use()
