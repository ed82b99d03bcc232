"""Train: configure, start, watch and compare trainings, and search hyperparameters."""

from fer_studio.ui.frame import open_page, show_responsible_use
from fer_studio.ui.train.views import choose_view

open_page("train")
view = choose_view()

# Imported after the first elements are drawn, so that they appear at once. show_section imports
# only what the section needs.
from fer_studio.ui.train.sections import show_section

show_section(view)
show_responsible_use()
