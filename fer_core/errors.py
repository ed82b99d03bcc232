"""The exception whose message is shown to the user, and texts about other exceptions."""

from __future__ import annotations

import re


class InputError(ValueError):
    """The user's input or request is invalid.

    The message is one sentence that names the input, says what was expected and what to do. Pages
    show it as it is; the command line prints it to standard error and exits with code 2. Other
    exceptions are defects of the program and are logged with their traceback. The command line also
    turns an ``OSError`` into a message.
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
    """Return the cause that a Keras error states, on one line of about 400 characters at most.

    Keras first describes, in many lines, the object that it was building; only the class of this
    object is kept. In messages without this description, the cause is the beginning of the message.
    """
    text = str(error).strip()
    description, separator, cause = text.rpartition("Exception encountered:")
    if separator:
        # Keras builds objects within objects. The last "Error when" is about the innermost object.
        innermost = description[description.rfind("Error when") :]
        class_match = re.search(r"class '(\w+)'", innermost)
        text = cause.strip().strip("\"'")
        if class_match and class_match[1] not in text:
            text = f"{class_match[1]}: {text}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    text = " ".join(lines[:3])
    return text if len(text) <= 400 else f"{text[:400]}…"
