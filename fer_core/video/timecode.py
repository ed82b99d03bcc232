"""Parse and format times such as 75, 1:15 and 0:01:15.5."""

from __future__ import annotations

import re

from fer_core.errors import InputError

_PATTERN = re.compile(r"(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d+)?)")


def parse_time(text: str) -> float:
    """Return a time in seconds.

    Args:
        text: Seconds, minutes:seconds or hours:minutes:seconds.

    Raises:
        InputError: The text is not a time.
    """
    match = _PATTERN.fullmatch(text.strip())
    is_time = (
        match is not None
        and (match[2] is None or float(match[3]) < 60)
        and (match[1] is None or int(match[2]) < 60)
    )
    if match is None or not is_time:
        raise InputError(
            "A time should be in seconds, as minutes:seconds or as hours:minutes:seconds, such as "
            f"75, 1:15 or 0:01:15. Received: {text!r}."
        )
    return 3600 * float(match[1] or 0) + 60 * float(match[2] or 0) + float(match[3])


def format_time(seconds: float, digits: int = 0) -> str:
    """Return a time as minutes:seconds, or hours:minutes:seconds from one hour on.

    Args:
        seconds: The time, 0 or more.
        digits: Digits after the decimal point.
    """
    units = round(seconds * 10**digits)
    whole_seconds, fraction = divmod(units, 10**digits)
    hours, minutes, remaining_seconds = (
        whole_seconds // 3600,
        whole_seconds // 60 % 60,
        whole_seconds % 60,
    )
    text = (
        f"{hours}:{minutes:02}:{remaining_seconds:02}"
        if hours
        else f"{minutes}:{remaining_seconds:02}"
    )
    return f"{text}.{fraction:0{digits}}" if digits else text
