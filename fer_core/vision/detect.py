"""The detectors by name: which are there, and making one."""

from fer_core.errors import InputError
from fer_core.settings import Settings
from fer_core.vision.boxes import FaceDetector
from fer_core.vision.detector_files import YUNET_FILE_NAME, is_yunet_available, yunet_path
from fer_core.vision.haar import HaarDetector
from fer_core.vision.yunet import YuNetDetector


def detector_names(settings: Settings) -> tuple[str, ...]:
    """The detectors that can be used now, the default first."""
    if is_yunet_available(settings):
        return (YuNetDetector.name, HaarDetector.name)
    return (HaarDetector.name,)


def make_detector(name: str, settings: Settings) -> FaceDetector:
    """Make a detector; the result may be shared by threads.

    Raises:
        InputError: The name is unknown, or the detector's file is not there or not the right one.
    """
    if name == HaarDetector.name:
        return HaarDetector()
    if name != YuNetDetector.name:
        raise InputError(
            f"There is no detector '{name}'; choose '{YuNetDetector.name}' or "
            f"'{HaarDetector.name}'."
        )
    path = yunet_path(settings)
    if not is_yunet_available(settings):
        state = "is not the tested file" if path.exists() else "is missing"
        raise InputError(
            f"The detector 'yunet' cannot be used because {YUNET_FILE_NAME} {state} in "
            f"{path.parent}; download it from the analyze page, drop it there, or choose 'haar'."
        )
    return YuNetDetector(path)
