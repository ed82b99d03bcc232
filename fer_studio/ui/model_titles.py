"""Titles of models on pages: the model of a run has the name that users gave to the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from fer_core.bundle import Bundle


def model_title(bundle: Bundle) -> str:
    """Return the name that users gave to the run of a model, or else the name of the model."""
    # The model of a run is in runs/<name>/bundle/, a published model in models/<name>/.
    if bundle.folder.parent.name != bundle.name:
        return bundle.name
    # Imported here, because pages that use only published models do not need it.
    from fer_core.training.control import read_label
    from fer_core.training.run_folder import RunFolder

    return read_label(RunFolder(bundle.folder.parent)).name or bundle.name


def distinct_titles(titles: Mapping[str, str]) -> dict[str, str]:
    """Return the titles. If several models share a title, the name of the model follows it.

    Args:
        titles: Titles by the name of the model.
    """
    counts = Counter(titles.values())
    return {
        name: title if counts[title] == 1 else f"{title} ({name})" for name, title in titles.items()
    }
