"""Train: configure, launch, watch, compare and search."""

from fer_studio.ui.frame import open_page, show_responsible_use
from fer_studio.ui.kept import kept_segments

open_page("train")
VIEWS = ("New training", "Runs", "Compare", "Search")
view = kept_segments(
    "Section",
    VIEWS,
    key="view",
    name="view",
    write=lambda title: title.lower().replace(" ", "-"),
    label_visibility="collapsed",
)

# Imported after the first elements of the page; only what the chosen section needs.
from fer_studio.ui.train.sections import show_section

show_section(view)
show_responsible_use()
