"""The exception whose message is shown to the user."""

from __future__ import annotations


class InputError(ValueError):
    """The user's input or request is invalid.

    The message is one sentence that names the input, says what was expected and what to do. Pages
    show it as it is; the command line prints it to standard error and exits with code 2. Every
    other exception is a defect of the program and is logged with its traceback.
    """


def first_line(error: BaseException) -> str:
    """The first line of an exception's message, at most 300 characters; its type if it is empty."""
    lines = str(error).strip().splitlines()
    if not lines:
        return type(error).__name__
    return lines[0] if len(lines[0]) <= 300 else f"{lines[0][:300]}…"
