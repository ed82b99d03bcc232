"""The names of models for people: the model of a run has the name that users gave to the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from fer_core.bundle import Bundle


def model_title(bundle: Bundle) -> str:
    """Return the name of the run that a model belongs to, or the name of the model."""
    if bundle.folder.parent.name != bundle.name:
        return bundle.name  # published
    # Imported here: the pages that use published models only do not need it.
    from fer_core.training.control import read_label
    from fer_core.training.run_folder import RunFolder

    return read_label(RunFolder(bundle.folder.parent)).name or bundle.name


def distinct_titles(titles: Mapping[str, str]) -> dict[str, str]:
    """Return titles by name in which those that occur several times are followed by the name."""
    counts = Counter(titles.values())
    return {
        name: title if counts[title] == 1 else f"{title} ({name})" for name, title in titles.items()
    }
