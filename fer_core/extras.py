"""Check for optional packages, which some operations need beyond the base installation."""

from __future__ import annotations

import importlib.util
from typing import Literal

from fer_core.errors import InputError
from fer_core.settings import is_installed_package

#: The names of the groups of optional dependencies in ``pyproject.toml`` that users may install.
Extra = Literal["train", "search", "mlflow", "scale", "service"]

#: For a checkout of the source code: the requirements file of each extra whose packages are not in
#: ``requirements.txt``.
_REQUIREMENTS: dict[Extra, str] = {
    "mlflow": "requirements-dev.txt",
    "scale": "requirements-scale.txt",
    "service": "requirements-scale.txt",
}


def require_packages(purpose: str, extra: Extra, *packages: str) -> None:
    """Make sure that the packages of an optional operation are installed.

    Args:
        purpose: The beginning of the message, such as "The import of Keras models needs".
        extra: The extra that contains the packages.
        packages: Import names of the packages.

    Raises:
        InputError: A package is missing. The message names the package and the command that
            installs it.
    """
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise InputError(
            f"{purpose} {' and '.join(missing)}, which {verb} not installed; run "
            f"'{install_command(extra)}'."
        )


def install_command(extra: Extra) -> str:
    """Return the command that adds an extra to this installation."""
    if is_installed_package():
        return f'pip install "fer-studio[{extra}]"'
    return f"pip install -r {_REQUIREMENTS.get(extra, 'requirements.txt')}"
