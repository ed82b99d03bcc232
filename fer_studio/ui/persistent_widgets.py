"""Widgets whose values persist across pages and are part of the address.

See ``address.persist``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import streamlit as st

from fer_studio.ui.address import persist

Option = TypeVar("Option")
Number = TypeVar("Number", int, float)

#: Separates the values of one parameter.
_SEPARATOR = "|"


def persist_choice(
    key: str,
    options: Sequence[Option],
    *,
    name: str,
    noun: str,
    default: Option | None = None,
    write: Callable[[Option], str] = str,
    describe: Callable[[Option], str] = str,
    memory_key: str | None = None,
    is_always_shown: bool = False,
    resends_value: bool = False,
) -> str:
    """Keep the choice of one option; see ``persist``.

    Args:
        key: The key of the widget.
        options: The options, at least one.
        name: The name of the parameter in the address.
        noun: The name of the selection in messages.
        default: The default; if None, the first option.
        write: Returns the text of an option in the address.
        describe: Returns an option as messages show it.
        memory_key: The name under which the choice is remembered; by default, the key.
        is_always_shown: True to include the default in the address.
        resends_value: True if the widget is a select box.

    Returns:
        The key.
    """
    by_text = {write(option): option for option in options}
    # Addresses of earlier versions contain titles, such as "New training". The order is reversed,
    # so that the first of several options with the same folded text wins.
    by_folded_text = {_folded(text): option for text, option in reversed(by_text.items())}

    def read(text: str) -> Option:
        return by_text[text] if text in by_text else by_folded_text[_folded(text)]

    return persist(
        key,
        name=name,
        noun=noun,
        default=options[0] if default is None else default,
        read=read,
        write=write,
        describe=describe,
        memory_key=memory_key,
        is_always_shown=is_always_shown,
        resends_value=resends_value,
    )


def _folded(text: str) -> str:
    """Return a title, such as "New training", in the form of an address, such as "new-training"."""
    return text.casefold().replace(" ", "-")


def persistent_selectbox(
    label: str,
    options: Sequence[Option],
    *,
    key: str,
    name: str,
    noun: str = "",
    default: Option | None = None,
    write: Callable[[Option], str] = str,
    memory_key: str | None = None,
    is_always_shown: bool = False,
    is_in_bar: bool = False,
    draw: Callable[..., Any] = st.selectbox,
    **settings: Any,
) -> Option:
    """Draw a select box that keeps its value.

    Args:
        label: Label of the select box.
        options: The options, at least one.
        key: Key of the select box.
        name: The name of the parameter in the address.
        noun: The name of the selection in messages; if empty, the label in lower case.
        default: The default; if None, the first option.
        write: Returns the text of an option in the address.
        memory_key: The name under which the choice is remembered.
        is_always_shown: True to include the default in the address.
        is_in_bar: True to draw no label above the select box; each option then begins with the
            label. This takes less space, and the elements below do not move when the browser has
            loaded the select box.
        draw: Draws the widget: ``st.selectbox``, or a function with the same first arguments.
        settings: Further arguments of ``draw``.
    """
    describe: Callable[[Option], str] = settings.get("format_func", str)
    if is_in_bar:
        settings["format_func"] = lambda option: f"{label}: {describe(option)}"
        settings["label_visibility"] = "collapsed"
    persist_choice(
        key,
        options,
        name=name,
        noun=noun or label.lower(),
        default=default,
        write=write,
        describe=describe,
        memory_key=memory_key,
        is_always_shown=is_always_shown,
        resends_value=draw is st.selectbox,
    )
    chosen: Option = draw(label, options, key=key, **settings)
    return chosen


def persistent_segments(
    label: str, options: Sequence[Option], *, key: str, name: str, **settings: Any
) -> Option:
    """Draw a segmented control that keeps its value; exactly one option is selected.

    See ``persistent_selectbox`` for the arguments. ``settings`` are further arguments of that
    function or of ``st.segmented_control``.
    """
    return persistent_selectbox(
        label,
        options,
        key=key,
        name=name,
        draw=st.segmented_control,
        required=True,
        **settings,
    )


def persistent_toggle(
    label: str, *, key: str, name: str, default: bool = False, **settings: Any
) -> bool:
    """Draw a toggle that keeps its value; see ``persistent_selectbox`` for the arguments."""
    persist_choice(
        key,
        (False, True),
        name=name,
        noun=label.lower(),
        default=default,
        write=_yes_or_no,
        describe=_yes_or_no,
    )
    return st.toggle(label, key=key, **settings)


def persistent_slider(
    label: str,
    minimum: Number,
    maximum: Number,
    *,
    key: str,
    name: str,
    default: Number,
    **settings: Any,
) -> Number:
    """Draw a slider that keeps its number; see ``persistent_selectbox`` for the arguments."""
    persist(
        key,
        name=name,
        noun=label.lower(),
        default=default,
        read=lambda text: _number_within(text, minimum, maximum),
        write=_number_text,
    )
    chosen: Number = st.slider(label, minimum, maximum, key=key, **settings)
    return chosen


def persistent_range(
    label: str, minimum: Number, maximum: Number, *, key: str, name: str, **settings: Any
) -> tuple[Number, Number]:
    """Draw a slider with two handles that keeps its numbers; the default is the whole range.

    See ``persistent_selectbox`` for the arguments.
    """

    def read(text: str) -> tuple[Number, Number]:
        low_text, _, high_text = text.partition(_SEPARATOR)
        low = _number_within(low_text, minimum, maximum)
        return low, _number_within(high_text, low, maximum)

    persist(
        key,
        name=name,
        noun=label.lower(),
        default=(minimum, maximum),
        read=read,
        write=lambda ends: _SEPARATOR.join(map(_number_text, ends)),
        describe=lambda ends: " to ".join(map(_number_text, ends)),
    )
    ends: tuple[Number, Number] = st.slider(label, minimum, maximum, key=key, **settings)
    return ends


def persistent_multiselect(
    label: str,
    options: Sequence[Option],
    *,
    key: str,
    name: str,
    default: Sequence[Option],
    **settings: Any,
) -> list[Option]:
    """Draw a multiselect that keeps its values; see ``persistent_selectbox`` for the arguments."""
    by_text: Mapping[str, Option] = {str(option): option for option in options}
    persist(
        key,
        name=name,
        noun=label.lower(),
        default=list(default),
        read=lambda text: [by_text[part] for part in text.split(_SEPARATOR) if part],
        # An empty selection is written as "|", because a missing parameter means the default.
        write=lambda chosen: _SEPARATOR.join(map(str, chosen)) or _SEPARATOR,
        # ``persist`` calls this function only with the default. An empty default means that the
        # page filters nothing.
        describe=lambda chosen: ", ".join(map(str, chosen)) or "all",
    )
    return st.multiselect(label, options, key=key, **settings)


def persistent_text(label: str, *, key: str, name: str, **settings: Any) -> str:
    """Draw a text field that keeps its text; see ``persistent_selectbox`` for the arguments."""
    persist(key, name=name, noun=label.lower(), default="", read=str)
    text: str = st.text_input(label, key=key, **settings)
    return text


def _yes_or_no(is_on: bool) -> str:
    return "yes" if is_on else "no"


def _number_text(number: float) -> str:
    """Return a number with up to six decimals; a whole number has none."""
    return str(int(number)) if number == int(number) else str(round(number, 6))


def _number_within(text: str, minimum: Number, maximum: Number) -> Number:
    """Parse a number of the same type as ``minimum``.

    Raises:
        ValueError: The text is not such a number, or the number is outside of the limits.
    """
    number = type(minimum)(text)
    if not minimum <= number <= maximum:
        raise ValueError(f"{number} is not between {minimum} and {maximum}")
    return number
