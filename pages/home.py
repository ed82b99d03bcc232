"""Home: what the app can do, an analyzed face as an example, and the user's work."""

import streamlit as st

from fer_studio.ui.frame import open_page, show_responsible_use
from fer_studio.ui.home.entries import show_entries

open_page("home")
st.markdown("Train a model that recognizes facial emotions, check how reliable it is, and use it.")
entries, example = st.columns([3, 2], gap="medium")
with entries:
    show_entries()
# The content of this container is drawn last. Until then, app.css reserves its height.
example_container = example.container(border=True, key="home_example_place")

# Imported after the first elements are drawn, so that visitors see them earlier.
from fer_core.settings import load_settings
from fer_studio.ui.home.workspace import show_workspace

settings = load_settings()
show_workspace(settings)
show_responsible_use()

# Imported last, because OpenCV and the model take a second to load.
from fer_studio.ui.home.example import show_example

with example_container:
    show_example(settings)
