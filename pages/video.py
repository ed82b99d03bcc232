"""Video: analyze the emotions of every person in videos over time."""

import streamlit as st

from fer_studio.ui.frame import open_page, show_responsible_use

open_page("video")

# Imported after the first elements are drawn: OpenCV and the video libraries take a second to load.
with st.spinner("Getting ready…"):
    from fer_core.settings import load_settings
    from fer_studio.ui.video.sections import show_video

show_video(load_settings())
show_responsible_use()
