"""The one exception whose message is meant for the person who made the request."""

from __future__ import annotations


class InputError(ValueError):
    """Something that was asked for, or given, cannot be used.

    The message is one sentence that names the input, says what was expected and what to do. Pages
    show it as it is; the command line prints it on standard error and exits with code 2. Anything
    else that is raised is a defect of the program and is logged whole.
    """


def first_line(error: BaseException) -> str:
    """What another exception says, short enough for a sentence; its type where it says nothing."""
    lines = str(error).strip().splitlines()
    if not lines:
        return type(error).__name__
    return lines[0] if len(lines[0]) <= 300 else f"{lines[0][:300]}…"
