"""Formatting of text for pages."""

from __future__ import annotations

import os
import re
from functools import lru_cache

from fer_core.errors import InputError
from fer_core.settings import load_settings

#: The environment variables that set the app's folders.
_ROOT_VARIABLES = ("FER_STUDIO_DATA", "FER_STUDIO_RUNS", "FER_STUDIO_MODELS", "FER_STUDIO_ANALYSES")


def plain_text(text: str) -> str:
    """Escape Markdown in text from users, such as file names, so that it is shown as it is.

    Paths of the app's folders are shortened as in ``without_server_paths``.
    """
    return "".join(
        f"\\{letter}" if letter in r"\`*_{}[]<>()#+-!|$~:" else letter
        for letter in without_server_paths(text)
    )


def without_server_paths(text: str) -> str:
    """Return a text with short paths: "models/votes" instead of "/srv/fer-studio/models/votes".

    Only paths in the app's folders are shortened. Visitors need not know where these folders are.
    """
    if os.sep not in text:
        return text
    for pattern, name in _short_names(tuple(map(os.environ.get, _ROOT_VARIABLES))):
        text = pattern.sub(name, text)
    return text


@lru_cache(maxsize=8)
def _short_names(variables: tuple[str | None, ...]) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Return a pattern and a short name for each root folder, the longest path first.

    Args:
        variables: The values of the variables in ``_ROOT_VARIABLES``. They are not used here, but
            the folders depend on them, so they have to be part of the cache key.
    """
    try:
        settings = load_settings()
    except InputError:
        return ()  # so that the message about an unreadable folder contains its full path
    roots = {
        str(settings.data_root): "data",
        str(settings.runs_root): "runs",
        str(settings.analyses_root): "analyses",
        **{str(root): "models" for root in settings.model_roots},
    }
    return tuple(
        # A match must begin where a path begins, and end where the name of a folder ends: "/data"
        # must not match in "/mnt/data" or in "/data-2".
        (re.compile(r"(?<![\w.-])" + re.escape(root) + r"(?![\w.-])"), name)
        for root, name in sorted(roots.items(), key=lambda pair: -len(pair[0]))
    )
