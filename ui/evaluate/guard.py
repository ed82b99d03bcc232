"""What stands in the place of pictures where there are none."""

from __future__ import annotations

import streamlit as st

from ui.evaluate.subject import Subject


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
