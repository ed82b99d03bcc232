"""The sample picture of the analyze page."""

from importlib.util import find_spec
from pathlib import Path

from fer_core.errors import InputError

SAMPLE_CREDIT = "Eileen Collins, photographed by NASA (public domain), from scikit-image"
_FILE_NAME = "astronaut.png"


def sample_picture() -> tuple[str, bytes]:
    """Return the portrait of an astronaut that scikit-image's package contains.

    Returns:
        The file's name and its content, a PNG.

    Raises:
        InputError: scikit-image or its picture is not installed.
    """
    # The package is located but not imported, because importing it would take much longer.
    package = find_spec("skimage")
    if package is not None and package.origin is not None:
        path = Path(package.origin).parent / "data" / _FILE_NAME
        if path.is_file():
            return _FILE_NAME, path.read_bytes()
    raise InputError(
        "The sample picture is missing because scikit-image is not installed; install the "
        "packages of requirements.txt or use another picture."
    )
