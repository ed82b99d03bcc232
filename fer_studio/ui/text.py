"""Formatting of text for pages."""

from __future__ import annotations

import os
import re
from functools import lru_cache

from fer_core.errors import InputError
from fer_core.settings import load_settings

_ROOT_VARIABLES = ("FER_STUDIO_DATA", "FER_STUDIO_RUNS", "FER_STUDIO_MODELS", "FER_STUDIO_ANALYSES")


def plain_text(text: str) -> str:
    """Escape Markdown in text from users, such as file names, so that it is shown as it is.

    The program's folders are shown with their short names, see ``without_server_paths``.
    """
    return "".join(
        f"\\{letter}" if letter in r"\`*_{}[]<>()#+-!|$~:" else letter
        for letter in without_server_paths(text)
    )


def without_server_paths(text: str) -> str:
    """Return a text in which the program's folders have short names, such as ``models/votes``.

    Visitors do not need to know where these folders are on the server.
    """
    if os.sep not in text:
        return text
    for pattern, name in _short_names(tuple(os.environ.get(name) for name in _ROOT_VARIABLES)):
        text = pattern.sub(name, text)
    return text


@lru_cache(maxsize=8)
def _short_names(variables: tuple[str | None, ...]) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Return a pattern for each root folder, the longest first, and its short name.

    Args:
        variables: The values of `_ROOT_VARIABLES`. The folders depend on them, so that another
            value must not be answered from the cache.
    """
    try:
        settings = load_settings()
    except InputError:
        return ()  # the message about an unreadable folder has to name it
    roots = {
        str(settings.data_root): "data",
        str(settings.runs_root): "runs",
        str(settings.analyses_root): "analyses",
        **{str(root): "models" for root in settings.model_roots},
    }
    return tuple(
        (re.compile(re.escape(root) + r"(?![\w.-])"), name)
        for root, name in sorted(roots.items(), key=lambda pair: -len(pair[0]))
    )
