"""The names of models for people: the model of a run has the name that users gave to the run."""

from __future__ import annotations

from fer_core.bundle import Bundle


def model_title(bundle: Bundle) -> str:
    """Return the name of the run that a model belongs to, or the name of the model."""
    if bundle.folder.parent.name != bundle.name:
        return bundle.name  # published
    # Imported here: the pages that use published models only do not need it.
    from fer_core.training.control import read_label
    from fer_core.training.run_folder import RunFolder

    return read_label(RunFolder(bundle.folder.parent)).name or bundle.name
