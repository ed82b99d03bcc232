"""Selections that persist across pages and are part of the page's address (its URL).

Call ``persist`` before you draw a widget. It sets the widget to the value in the address. If the
address has none, the widget gets the value from an earlier visit to the page, or else its default.
The address is updated when the page is complete, so that reloads, the back button and shared links
lead to the same view.

The address is read when a visitor arrives at a page. A small component in the browser writes the
address. ``st.query_params`` is not used for this, because it adds an entry to the browser's history
at every change, so that the back button would step through all selections. On a page that adds its
defaults to the address, the back button would not work at all: it would remove the defaults from
the address, and the page would add them again.
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
from fer_studio.ui.widget_values import set_widget_value

Value = TypeVar("Value")

_STATE_KEY = "_address_state"
_SCRIPT = (Path(__file__).parent / "assets" / "address.js").read_text(encoding="utf-8")
_WHOLE_PAGE = "page"
#: Maximum length of an invalid value in a message.
_MAX_QUOTED_LENGTH = 60

#: The name of the part of the page that is being drawn; empty while nothing is drawn. It is not in
#: the session's state, because a rerun of the page can begin in another thread before the previous
#: one has stopped.
_current_part: ContextVar[str] = ContextVar("current_part", default="")

_component = st.components.v2.component("fer_studio_address", js=_SCRIPT)


@dataclass
class _DrawnSelection:
    """A selection whose widget has been drawn.

    Attributes:
        part: The name of the part of the page that drew the widget.
        text: The value in the address; empty if the address omits it, because it is the default.
    """

    part: str
    text: str


@dataclass
class _AddressState:
    """The selections of one session.

    Attributes:
        memory: The remembered values of all pages, as text, by the name under which they are
            remembered (the argument ``memory_key`` of ``persist``).
        page: The name of the open page.
        arrival_count: How often the session has opened a page.
        unread_parameters: The parameters that the address had when the page was opened, without
            those that a widget has already read. When the page has drawn its content for the first
            time, they are cleared.
        is_content_pending: True if the page cannot draw its content yet, for example because the
            visitor has to start an evaluation first.
        omitted_means_default: True if the visitor has arrived with "back" or "forward", until the
            page has drawn its content. A selection that the address omits then gets its default
            instead of the remembered value.
        drawn_keys: Keys of the widgets that have been drawn since the page was opened.
        selections: The selections on the page, by the name of their parameter.
        page_draw_count: How often the session has drawn a page as a whole.
        problems: What is wrong with a selection from the address or from an earlier visit, by the
            key of the widget.
        problem_container: The container at the top of the page in which problems are shown.
        problem_elements: The elements that show the problems, by the key of the widget.
        unsaved: The versions of the results that would be lost if the browser tab were closed, by
            the kind of results.
    """

    memory: dict[str, str] = field(default_factory=dict)
    page: str = ""
    arrival_count: int = 0
    unread_parameters: dict[str, str] = field(default_factory=dict)
    is_content_pending: bool = False
    omitted_means_default: bool = False
    drawn_keys: set[str] = field(default_factory=set)
    selections: dict[str, _DrawnSelection] = field(default_factory=dict)
    page_draw_count: int = 0
    problems: dict[str, str] = field(default_factory=dict)
    problem_container: DeltaGenerator | None = None
    problem_elements: dict[str, DeltaGenerator] = field(default_factory=dict)
    unsaved: dict[str, str] = field(default_factory=dict)


def _state() -> _AddressState:
    state: _AddressState = st.session_state.setdefault(_STATE_KEY, _AddressState())
    return state


def open_address(page: str) -> None:
    """Read the address if the visitor has just arrived at the page.

    This is called first whenever the whole page is drawn.
    """
    state = _state()
    context = get_script_run_ctx()
    is_history_navigation = context is not None and context.is_history_navigation
    if page != state.page or is_history_navigation:
        if page != state.page:
            state.arrival_count += 1
        state.page = page
        # The links in the navigation have no parameters, so the page uses the remembered values.
        state.unread_parameters = st.query_params.to_dict()
        state.omitted_means_default = is_history_navigation
        state.drawn_keys.clear()
        state.problems.clear()
    state.is_content_pending = False
    state.selections.clear()
    state.problem_container = st.container()
    state.problem_elements.clear()
    for key in state.problems:
        _show_problem(state, key)


@contextlib.contextmanager
def address_scope(name: str = _WHOLE_PAGE) -> Iterator[None]:
    """Draw a part of the page that can rerun alone, and update the address after it.

    Args:
        name: The name of the part if it is a fragment; by default, the part is the whole page.
    """
    state = _state()
    outer_part = _current_part.get()
    _current_part.set(name)
    if name != _WHOLE_PAGE:
        # The part adds each selection that it draws. A selection that it no longer draws must not
        # stay in the address.
        state.selections = {
            parameter: selection
            for parameter, selection in state.selections.items()
            if selection.part != name
        }
    try:
        yield
        # While the whole page is drawn, its parts do not update the address; the page does so at
        # its end.
        _update_address(state, name, is_outermost=not outer_part)
    finally:
        _current_part.set(outer_part)


def _update_address(state: _AddressState, part: str, *, is_outermost: bool) -> None:
    """Draw the component that writes the address.

    Args:
        state: The state of the session.
        part: The name of the part of the page that has just been drawn.
        is_outermost: True if no enclosing part is being drawn. If it is False, the component does
            not write the address; the enclosing page does so at its end.
    """
    if part == _WHOLE_PAGE:
        if not state.is_content_pending:
            # All widgets of the page have been drawn and have read their parameters.
            state.unread_parameters, state.omitted_means_default = {}, False
        state.page_draw_count += 1
    _component(
        # The component is drawn even if it writes nothing, so that the elements below keep their
        # position. Each rerun of the page draws a new component, because the browser may not run
        # the script of a component that moved to another position.
        key=f"address_{part}_{state.page_draw_count}",
        data={
            "page": state.page if is_outermost else "",
            "query": urlencode(
                state.unread_parameters
                | {
                    parameter: selection.text
                    for parameter, selection in state.selections.items()
                    if selection.text
                }
            ),
            "unsaved": urlencode(state.unsaved),
        },
        # The component is invisible. Without this height, the browser shows a placeholder of 40
        # pixels until it has loaded the component.
        height=1,
    )


def persist(
    key: str,
    *,
    name: str,
    noun: str,
    default: Value,
    read: Callable[[str], Value],
    write: Callable[[Value], str] = str,
    describe: Callable[[Value], str] | None = None,
    memory_key: str | None = None,
    is_always_shown: bool = False,
    resends_value: bool = False,
) -> str:
    """Set the value of the widget that is drawn next, and keep it in memory and in the address.

    The widget must have no default value of its own.

    Args:
        key: The key of the widget.
        name: The name of the parameter in the address.
        noun: The name of the selection in messages, such as "dataset".
        default: The value if neither the address nor the session's memory contains one.
        read: Returns the value for a text; raises ``LookupError`` or ``ValueError`` if the value is
            not available.
        write: Returns the text of a value; must be the inverse of ``read``.
        describe: Returns the text of a value for messages; by default, the same as ``write``.
        memory_key: The name under which the value is remembered; by default, the key. Widgets with
            the same name share their value, also on different pages.
        is_always_shown: True to include the value in the address even if it is the default. Use
            this if the default can change, such as the default model.
        resends_value: True to send the value to the browser in every rerun while the browser may
            still be loading the widget; see ``set_widget_value``. Use this only for select boxes: a
            toggle or a button would lose the second of two quick clicks.

    Returns:
        The key.
    """
    state = _state()
    memory_key = memory_key or key
    is_first_drawing = key not in state.drawn_keys
    state.drawn_keys.add(key)
    text: str | None = None
    if is_first_drawing and (name in state.unread_parameters or state.omitted_means_default):
        text = state.unread_parameters.pop(name, None)
    elif key in st.session_state:
        text = _text_of(st.session_state[key], write)
        # The visitor has selected a new value, so the message about the invalid value is obsolete.
        if key in state.problems and text != state.memory.get(memory_key):
            del state.problems[key]
            state.problem_elements.pop(key).empty()
    else:
        text = state.memory.get(memory_key)
    value = default
    if text is not None:
        try:
            value = read(text)
        except (LookupError, ValueError):
            _report_unavailable(
                state, key, f"{noun} {_shortened(text)}", (describe or write)(default)
            )
    if resends_value:
        set_widget_value(key, value)
    elif key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value
    state.memory[memory_key] = write(value)
    is_in_address = is_always_shown or value != default
    state.selections[name] = _DrawnSelection(
        _current_part.get(), write(value) if is_in_address else ""
    )
    return key


def set_content_pending() -> None:
    """Keep the unread parameters of the address, because the page cannot draw its content yet.

    Example: the address names a tab of an evaluation that the user has yet to start. The address
    keeps the name until the tabs are drawn for the first time, and this tab is then open.
    """
    _state().is_content_pending = True


def forget(key: str, *, memory_key: str | None = None) -> None:
    """Forget a selection, so that its widget returns to its default.

    Args:
        key: The key of the widget.
        memory_key: The name under which the selection is remembered; by default, the key.
    """
    st.session_state.pop(key, None)
    _state().memory.pop(memory_key or key, None)


def arrival_count() -> int:
    """Return how often this session has opened a page; clicks on a page do not count."""
    return _state().arrival_count


def set_unsaved_results(kind: str, version: str) -> None:
    """Set which results would be lost if the browser tab were closed.

    If there are such results, the browser asks for confirmation before it closes the tab, unless
    the visitor has downloaded something since the version of the results last changed.

    Args:
        kind: The kind of results, such as "photos".
        version: Identifies the results; empty if there are none.
    """
    _state().unsaved.pop(kind, None)
    if version:
        _state().unsaved[kind] = version


def _text_of(value: Value, write: Callable[[Value], str]) -> str:
    """Return the text of a value, which may be invalid, because a client can send any value."""
    try:
        return write(value)
    except (LookupError, TypeError, ValueError):
        return str(value)


def _report_unavailable(state: _AddressState, key: str, selection: str, replacement: str) -> None:
    """Show that a selection from the address, or from an earlier visit, is not available.

    Args:
        state: The state of the session.
        key: The key of the widget.
        selection: The noun and the value, such as "dataset faces".
        replacement: The text of the value that the page uses instead.
    """
    state.problems[key] = f"The {selection} is not available; the page shows {replacement} instead."
    _show_problem(state, key)


def _show_problem(state: _AddressState, key: str) -> None:
    assert state.problem_container is not None  # every page begins with open_address
    if key not in state.problem_elements:
        state.problem_elements[key] = state.problem_container.empty()
    state.problem_elements[key].warning(plain_text(state.problems[key]), icon=":material/link_off:")


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_QUOTED_LENGTH else f"{text[:_MAX_QUOTED_LENGTH]}…"
