"""Sections that run on their own, and say in one sentence when something stands in their way."""

from __future__ import annotations

import functools
from collections.abc import Callable

import streamlit as st

from fer_core.dataset.store import imported_folder
from fer_core.errors import InputError
from ui.dataset.opened import OpenDataset
from ui.text import plain_text


def section(draw: Callable[[OpenDataset], None]) -> Callable[[OpenDataset], None]:
    """Make a section a fragment that shows an ``InputError`` as its sentence.

    A click inside it runs this section alone, so that nobody else could catch what is raised, or
    notice that the dataset has been deleted meanwhile.
    """

    @st.fragment
    @functools.wraps(draw)
    def guarded(dataset: OpenDataset) -> None:
        try:
            imported_folder(dataset.name, dataset.settings)
            draw(dataset)
        except InputError as error:
            st.error(plain_text(str(error)), icon=":material/error:")

    return guarded
