"""Sections that run on their own, and say in one sentence when something stands in their way."""

from __future__ import annotations

import functools
from collections.abc import Callable

import streamlit as st

from fer_core.errors import InputError
from ui.evaluate.subject import Subject
from ui.text import plain_text


def section(draw: Callable[[Subject], None]) -> Callable[[Subject], None]:
    """Make a section a fragment that shows an ``InputError`` as its sentence.

    A click inside it runs this section alone, so that nobody else could catch what is raised.
    """

    @st.fragment
    @functools.wraps(draw)
    def guarded(subject: Subject) -> None:
        try:
            draw(subject)
        except InputError as error:
            st.error(plain_text(str(error)), icon=":material/error:")

    return guarded


def need_pictures(subject: Subject, what: str) -> bool:
    """Whether there are pictures; if not, say how to get them.

    Args:
        subject: The evaluation.
        what: What they would make possible, as the start of a sentence.
    """
    if subject.faces is None:
        st.info(
            f"{what}: choose a dataset above. The predictions that lie in the model's folder come "
            "without pictures.",
            icon=":material/image:",
        )
    return subject.faces is not None
