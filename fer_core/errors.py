"""The exception whose message is shown to the user."""

from __future__ import annotations

import re


class InputError(ValueError):
    """The user's input or request is invalid.

    The message is one sentence that names the input, says what was expected and what to do. Pages
    show it as it is; the command line prints it to standard error and exits with code 2. Every
    other exception is a defect of the program and is logged with its traceback.
    """


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message, shortened to 300 characters.

    An exception without a message is described by its type.
    """
    lines = str(error).strip().splitlines()
    if not lines:
        return type(error).__name__
    return lines[0] if len(lines[0]) <= 300 else f"{lines[0][:300]}…"


def system_reason(error: BaseException) -> str:
    """Return why the system refused something, such as "Permission denied"; never empty.

    For an error that is not an ``OSError``, return the first line of its message.
    """
    return str(getattr(error, "strerror", None) or first_line(error))


def root_cause(error: BaseException) -> str:
    """Return the part of a message that says what went wrong, at most 400 characters.

    Keras describes the object that it was building over many lines before it names the cause.
    """
    text = str(error).strip()
    head, found, tail = text.rpartition("Exception encountered:")
    if found:
        named = re.search(r"class '(\w+)'", head[head.rfind("Error when") :])
        cause = tail.strip().strip("\"'")
        text = f"{named[1]}: {cause}" if named and named[1] not in cause else cause
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    text = " ".join(lines[:3])
    return text if len(text) <= 400 else f"{text[:400]}…"
