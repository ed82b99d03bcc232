"""Analyze photos: every face with its emotion probabilities."""

from fer_studio.ui.frame import open_page, show_responsible_use

bar = open_page("analyze")

# Imported after the title is drawn: OpenCV and ONNX Runtime take half a second to load.
from fer_core.settings import load_settings
from fer_studio.ui.analyze.analysis import (
    analyze_photos,
    discard_results_except,
    update_unsaved,
)
from fer_studio.ui.analyze.options import choose_options
from fer_studio.ui.analyze.photos import collect_photos
from fer_studio.ui.analyze.results import show_results

with bar:
    options = choose_options(load_settings())
collection = collect_photos()
discard_results_except(collection.keys)
update_unsaved(collection.photos)
if collection.photos and options is not None:
    results = analyze_photos(collection.photos, options)
    show_results(collection.photos, results, options.detector)
show_responsible_use()
