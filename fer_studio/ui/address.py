"""Selections that persist across pages and are part of the page's address.

``keep`` is called before a widget. It gives the widget the value from the address, from an earlier
visit to the page, or its default, in this order. The address is updated when the page is complete,
so that reloads, the back button and shared links lead to the same view.

An address is read when a visitor arrives at a page. It is written by a small component in the
browser, because ``st.query_params`` adds an entry to the browser's history at every change: "back"
would then lead through all selections, and would not leave a page that adds its defaults to the
address.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlencode

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.scriptrunner import get_script_run_ctx

from fer_studio.ui.text import plain_text

Value = TypeVar("Value")

_STATE_KEY = "_address_state"
_SCRIPT = (Path(__file__).parent / "assets" / "address.js").read_text(encoding="utf-8")
_WHOLE_PAGE = "page"
#: Maximum length of an invalid value in a message.
_MAX_SHOWN = 60

#: The part of the page that is being drawn; empty between two runs. It is not in the session's
#: state, because a run can begin in another thread before the session's previous run has stopped.
_current_part: ContextVar[str] = ContextVar("current_part", default="")

_component = st.components.v2.component("fer_studio_address", js=_SCRIPT)


@dataclass
class _ShownValue:
    """A value in the address: the part of the page that drew it, and its text; "" for default."""

    part: str
    text: str


@dataclass
class _AddressState:
    """The selections of one session.

    Attributes:
        memory: The values of all pages as text, by the name under which they are remembered.
        page: The open page.
        arrivals: How often a page was opened.
        address: The parameters with which the open page was opened.
        is_complete: True if a selection that ``address`` does not contain gets its default, because
            "back" leads to an earlier view of the page.
        drawn_keys: Keys of the widgets that have been drawn since the page was opened.
        shown: The values in the address, by parameter.
        runs: How often the page was drawn as a whole.
        problems: What is wrong with the address, by the key of the widget.
        notices: Where problems are shown.
        shown_problems: The elements that show the problems, by the key of the widget.
        unsaved: The version of the results that would be lost with this tab, by their kind.
    """

    memory: dict[str, str] = field(default_factory=dict)
    page: str = ""
    arrivals: int = 0
    address: dict[str, str] = field(default_factory=dict)
    is_complete: bool = False
    drawn_keys: set[str] = field(default_factory=set)
    shown: dict[str, _ShownValue] = field(default_factory=dict)
    runs: int = 0
    problems: dict[str, str] = field(default_factory=dict)
    notices: DeltaGenerator | None = None
    shown_problems: dict[str, DeltaGenerator] = field(default_factory=dict)
    unsaved: dict[str, str] = field(default_factory=dict)


def _state() -> _AddressState:
    state: _AddressState = st.session_state.setdefault(_STATE_KEY, _AddressState())
    return state


def open_address(page: str) -> None:
    """Read the address if the visitor has just arrived at a page; every page calls this first."""
    state = _state()
    context = get_script_run_ctx()
    is_back = context is not None and context.is_history_navigation
    if page != state.page or is_back:
        state.arrivals += page != state.page
        state.page = page
        # A link to the page names no selections: the remembered ones apply.
        state.address = st.query_params.to_dict()
        state.is_complete = is_back
        state.drawn_keys.clear()
        state.problems.clear()
    state.shown.clear()
    state.notices = st.container()
    state.shown_problems.clear()
    for key in state.problems:
        _show_problem(state, key)


@contextlib.contextmanager
def address_part(name: str = _WHOLE_PAGE) -> Iterator[None]:
    """Draw a part of the page that can rerun alone, and update the address after it.

    Args:
        name: The name of the fragment; by default, the whole page is drawn.
    """
    state = _state()
    outer = _current_part.get()
    _current_part.set(name)
    if name != _WHOLE_PAGE:
        state.shown = {key: choice for key, choice in state.shown.items() if choice.part != name}
    try:
        yield
        # If the page is drawn as a whole, it updates the address once, at its end.
        _update_address(state, name, is_last=not outer)
    finally:
        _current_part.set(outer)


def _update_address(state: _AddressState, part: str, *, is_last: bool) -> None:
    if part == _WHOLE_PAGE:
        # The parameters were read by the widgets that they belong to.
        state.address, state.is_complete = {}, False
        state.runs += 1
    _component(
        # Drawn in any case, so that the elements below keep their position. Each run of the page
        # draws a new one, because the browser may skip one that moved to another position.
        key=f"address_{part}_{state.runs}",
        data={
            "page": state.page if is_last else "",
            "query": urlencode(
                {name: choice.text for name, choice in state.shown.items() if choice.text}
            ),
            "unsaved": urlencode(state.unsaved),
        },
    )


def keep(
    key: str,
    *,
    name: str,
    noun: str,
    default: Value,
    read: Callable[[str], Value],
    write: Callable[[Value], str] = str,
    describe: Callable[[Value], str] | None = None,
    memory: str | None = None,
    is_always_shown: bool = False,
) -> str:
    """Set the value of the widget that is drawn next; it is remembered and part of the address.

    The widget must have no default value of its own.

    Args:
        key: The key of the widget.
        name: The name of the parameter in the address.
        noun: The name of the selection in messages, such as "dataset".
        default: The value if there is no other one.
        read: Returns a value from its text; raises ``LookupError`` or ``ValueError`` if the value
            is not available.
        write: Returns the text of a value; must be the inverse of ``read``.
        describe: Returns a value as messages show it; by default, its text.
        memory: The name under which the value is remembered; widgets of several pages with the same
            name share their value. By default, the key.
        is_always_shown: True to include the value in the address even if it is the default, because
            the default is not always the same.

    Returns:
        The key.
    """
    state = _state()
    memory = memory or key
    is_arrival = key not in state.drawn_keys
    state.drawn_keys.add(key)
    text: str | None = None
    if is_arrival and (name in state.address or state.is_complete):
        text = state.address.pop(name, None)
    elif key in st.session_state:
        text = _written(st.session_state[key], write)
        # Another value was selected: the message about the former one does not apply any more.
        if key in state.problems and text != state.memory.get(memory):
            del state.problems[key]
            state.shown_problems.pop(key).empty()
    else:
        text = state.memory.get(memory)
    value = default
    if text is not None:
        try:
            value = read(text)
        except (LookupError, ValueError):
            _report(state, key, f"{noun} {_shortened(text)}", (describe or write)(default))
    if key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value
    state.memory[memory] = write(value)
    is_shown = is_always_shown or value != default
    state.shown[name] = _ShownValue(_current_part.get(), write(value) if is_shown else "")
    return key


def forget(key: str, *, memory: str | None = None) -> None:
    """Forget a selection, for example after its object was deleted."""
    st.session_state.pop(key, None)
    _state().memory.pop(memory or key, None)


def arrivals() -> int:
    """Return how often this session has opened a page; changes with the page, not with clicks."""
    return _state().arrivals


def set_unsaved(results: str, version: str) -> None:
    """State which results would be lost with this tab; the browser then asks before it closes.

    It does not ask after a download, until there is another version.

    Args:
        results: The kind of results, such as "photos".
        version: Identifies the results; empty if there are none.
    """
    _state().unsaved.pop(results, None)
    if version:
        _state().unsaved[results] = version


def _written(value: Value, write: Callable[[Value], str]) -> str:
    """Return the text of a value; a client can send any value."""
    try:
        return write(value)
    except (LookupError, TypeError, ValueError):
        return str(value)


def _report(state: _AddressState, key: str, what: str, instead: str) -> None:
    state.problems[key] = f"The {what} is not available; the page shows {instead} instead."
    _show_problem(state, key)


def _show_problem(state: _AddressState, key: str) -> None:
    assert state.notices is not None  # every page begins with open_address
    if key not in state.shown_problems:
        state.shown_problems[key] = state.notices.empty()
    state.shown_problems[key].warning(plain_text(state.problems[key]), icon=":material/link_off:")


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
