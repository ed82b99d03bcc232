"""Error messages on pages."""

from __future__ import annotations

from types import TracebackType

import streamlit as st

from fer_core.errors import InputError
from fer_studio.ui.text import plain_text


def show_error(error: Exception | str) -> None:
    """Show the message of an error. ``error`` may also be the message itself."""
    st.error(plain_text(str(error)), icon=":material/error:")


class ErrorKeeper:
    """Catches an error in a button's callback, and shows its message when the page is drawn again.

    Callbacks cannot draw. ``with ERROR_KEEPER: …`` catches an ``InputError`` that the body raises,
    and keeps the message of this error. It does not catch other exceptions.
    """

    def __init__(self, key: str) -> None:
        """Create the keeper.

        Args:
            key: The key in the session state under which the message is kept.
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
        """Show the message if there is one, and forget it."""
        message = st.session_state.pop(self._key, None)
        if message is not None:
            show_error(message)
