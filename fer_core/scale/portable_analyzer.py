"""``PortableAnalyzer``: a model and a detector that are sent to the workers of a job."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_core.bundle import find_bundle, load_bundle
from fer_core.calibration import LOWEST_MINIMUM_CONFIDENCE, Emphasis
from fer_core.predictor import check_network_file, load_predictor
from fer_core.settings import Settings

if TYPE_CHECKING:
    from fer_core.vision.analyzer import Analyzer

#: Files of a bundle that are not sent, because classification does not need them.
_NOT_SENT = {"model.keras", "predictions.npz", "image_hashes.npz", "README.md", "metrics.jsonl"}


@dataclass(frozen=True)
class PortableAnalyzer:
    """The files of a model and a detector, so that no model has to be installed on a worker.

    ``portable_analyzer`` creates it.

    Attributes:
        model: The model's name.
        detector: The detector's name.
        classes: The names of the classes.
        emphasis: How strongly rare classes are favored, see ``Emphasis``.
        files: The content of each file by its path in the folder of models, such as
            ``model/model.onnx``.
        minimum_confidence: The confidence from which a prediction is shown as certain, 0 to 1.
    """

    model: str
    detector: str
    classes: tuple[str, ...]
    emphasis: Emphasis = "default"
    files: dict[str, bytes] = field(default_factory=dict, repr=False)
    minimum_confidence: float = LOWEST_MINIMUM_CONFIDENCE

    def open(self, *, threads: int) -> Analyzer:
        """Load the model and the detector; the process uses this number of threads for them.

        Raises:
            InputError: The model or the detector cannot be used.
        """
        import cv2

        from fer_core.vision.analyzer import Analyzer
        from fer_core.vision.detect import make_detector

        cv2.setNumThreads(threads)
        with tempfile.TemporaryDirectory(prefix="fer-studio-") as folder_name:
            root = Path(folder_name)
            for name, content in self.files.items():
                path = root / name
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(content)
            # Only models_root is used: it contains the folder of the detectors.
            settings = Settings(data_root=root, runs_root=root, models_root=root)
            bundle = load_bundle(root / "model", self.model)
            predictor = load_predictor(bundle, threads=threads, emphasis=self.emphasis)
            return Analyzer(predictor, make_detector(self.detector, settings))

    def description(self) -> dict[str, Any]:
        """Return names, emphasis and a checksum of the files, for ``Work.description``."""
        digest = hashlib.sha256()
        for name, content in sorted(self.files.items()):
            digest.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
        return {
            "model": self.model,
            "files": digest.hexdigest(),
            "detector": self.detector,
            "emphasis": self.emphasis,
        }


def portable_analyzer(
    settings: Settings,
    *,
    model: str | None = None,
    detector: str | None = None,
    emphasis: Emphasis = "default",
) -> PortableAnalyzer:
    """Read the files of a model and a detector.

    Args:
        settings: Settings with the location of the models and detectors.
        model: A bundle's name or folder; None for the default.
        detector: A detector's name; None for the best available one.
        emphasis: How strongly rare classes are favored, see ``Emphasis``.

    Raises:
        InputError: The model or the detector does not exist or cannot be used.
    """
    from fer_core.vision.detect import make_detector
    from fer_core.vision.detector_files import detector_names, yunet_path
    from fer_core.vision.yunet import YuNetDetector

    bundle = find_bundle(model, settings)
    check_network_file(bundle.served_network, bundle.name)
    name = detector or detector_names(settings)[0]
    make_detector(name, settings)  # reports a missing file before any worker starts
    files = {
        f"model/{path.name}": path.read_bytes()
        for path in sorted(bundle.folder.iterdir())
        if path.is_file() and path.name not in _NOT_SENT and not path.name.startswith(".")
    }
    if name == YuNetDetector.name:
        path = yunet_path(settings)
        files[f"detectors/{path.name}"] = path.read_bytes()
    predictor = load_predictor(bundle, threads=1)
    return PortableAnalyzer(
        bundle.name, name, predictor.classes, emphasis, files, predictor.minimum_confidence
    )
