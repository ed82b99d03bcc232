"""FER Studio's engine: datasets, training, prediction and vision, without any user interface.

``fer_core.analyze`` detects and classifies the faces of a picture in one call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fer_core.analysis import analyze as analyze
    from fer_core.errors import InputError as InputError

__all__ = ["InputError", "analyze"]


def __getattr__(name: str) -> Any:
    """Import the public names at their first use, so that importing the package stays fast."""
    if name == "analyze":
        from fer_core.analysis import analyze

        return analyze
    if name == "InputError":
        from fer_core.errors import InputError

        return InputError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
