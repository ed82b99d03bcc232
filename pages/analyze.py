"""Analyze photos: every face with its emotion probabilities."""

import streamlit as st

from fer_studio.ui.frame import open_page, show_responsible_use

title_bar = open_page("analyze")

from fer_core.settings import load_settings
from fer_studio.ui.analyze.options import choose_options, open_options
from fer_studio.ui.analyze.photos import collect_photos, show_empty_state, show_privacy

selections = choose_options(load_settings(), title_bar)
message_container = st.container()
collection = collect_photos()
if not collection.photos:
    # When photos are added, st.empty() below replaces this container, so that its elements
    # disappear at once. Otherwise they would move down step by step while the results are drawn.
    with st.container():
        show_empty_state()
        show_privacy()
        show_responsible_use()

# Imported after the upload field is drawn, because OpenCV and ONNX Runtime take half a second to
# load on the first visit after a start of the server.
from fer_studio.ui.analyze.analysis import (
    analyze_photos,
    ask_before_results_are_lost,
    discard_results_except,
)

with message_container:
    options = open_options(selections, load_settings())
discard_results_except(collection.keys)
ask_before_results_are_lost(collection.photos)
if collection.photos:
    st.empty()
    if options is not None:
        from fer_studio.ui.analyze.results import show_results

        results = analyze_photos(collection.photos, options)
        show_results(
            collection.photos,
            results,
            detector_title=options.detector_title,
            classes=options.analyzer.predictor.classes,
        )
    show_privacy()
    show_responsible_use()
