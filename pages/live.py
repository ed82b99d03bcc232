"""Live: the emotion of every face in the webcam's picture."""

import streamlit as st

from fer_studio.ui.frame import open_page, show_responsible_use

title_bar = open_page("live")

# Imported after the first elements are drawn: OpenCV and the video libraries take a second to load.
with st.spinner("Getting ready…"):
    from fer_core.settings import load_settings
    from fer_studio.ui.live.controls import choose_controls
    from fer_studio.ui.live.session import live_session
    from fer_studio.ui.live.view import show_live

session = live_session()
if choose_controls(session, load_settings(), title_bar):
    show_live(session)
show_responsible_use()
