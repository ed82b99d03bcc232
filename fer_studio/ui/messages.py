"""Error messages on pages."""

from __future__ import annotations

from types import TracebackType

import streamlit as st

from fer_core.errors import InputError
from fer_studio.ui.text import plain_text


def show_error(error: Exception | str) -> None:
    """Show the message of an ``InputError`` unchanged; ``error`` may also be the message itself."""
    st.error(plain_text(str(error)), icon=":material/error:")


class KeptError:
    """The error of a button's callback, which is shown in the next run of the page.

    Callbacks cannot draw. ``with KEPT_ERROR: …`` catches an ``InputError`` that the body raises and
    keeps its message; other exceptions are not caught.
    """

    def __init__(self, key: str) -> None:
        """Create the holder of an error, without an error in it.

        Args:
            key: The key of the message in the session state.
        """
        self._key = key

    def __enter__(self) -> None:
        st.session_state.pop(self._key, None)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if not isinstance(error, InputError):
            return False
        st.session_state[self._key] = str(error)
        return True

    def show(self) -> None:
        """Show the error, once."""
        message = st.session_state.pop(self._key, None)
        if message is not None:
            show_error(message)
