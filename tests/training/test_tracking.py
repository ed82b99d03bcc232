"""TensorBoard's event files and MLflow's calls."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from fer_core.dataset.face_set import FaceSet
from fer_core.errors import InputError
from fer_core.keras_backend import prepare_backend
from fer_core.recipes import TrainingConfig
from fer_core.training.fit import FitContext, fit
from fer_core.training.run_folder import RunFolder, RunSetup, Tracking
from fer_core.training.tracking import RunTracking, check_tracking

prepare_backend()

CONFIG = TrainingConfig(architecture="three_convolutions", epochs=2, batch_size=16)


def tracked(folder: Path, faces: FaceSet, tracking: Tracking) -> RunFolder:
    run = RunFolder(folder)
    setup = RunSetup("tiny", "drawn", CONFIG, tracking)
    run.create(setup)
    observer = RunTracking(run.read_setup(), run)
    fit(CONFIG, faces, run, context=FitContext(observer=observer))
    observer.end()
    return run


def test_event_files_hold_every_epochs_figures(tiny_faces: FaceSet, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    run = tracked(tmp_path, tiny_faces, Tracking(tensorboard=True))
    epochs = run.read_epochs()
    for part, name, figure in (
        ("train", "epoch_loss", lambda record: record.loss),
        ("validation", "epoch_accuracy", lambda record: record.validation_accuracy),
        ("validation", "epoch_macro_f1", lambda record: record.validation_macro_f1),
    ):
        events = EventAccumulator(str(run.path / "tensorboard" / part))
        events.Reload()
        values = [float(make_ndarray(event.tensor_proto)) for event in events.Tensors(name)]
        assert values == pytest.approx([figure(record) for record in epochs])


def test_mlflow_gets_settings_and_figures_and_goes_on_under_the_same_number(
    tiny_faces: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    calls: list[tuple[str, Any]] = []

    class MlflowCallback(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            calls.append(("epoch", (epoch, sorted(logs))))

    package, submodule = ModuleType("mlflow"), ModuleType("mlflow.keras")
    package.keras = submodule  # type: ignore[attr-defined]
    submodule.MlflowCallback = MlflowCallback  # type: ignore[attr-defined]
    package.set_tracking_uri = lambda uri: calls.append(("uri", uri))  # type: ignore[attr-defined]
    package.log_params = lambda values: calls.append(("settings", values))  # type: ignore[attr-defined]
    package.end_run = lambda: calls.append(("end", None))  # type: ignore[attr-defined]

    def start_run(run_id: str | None, run_name: str) -> Any:
        calls.append(("start", (run_id, run_name)))
        return SimpleNamespace(info=SimpleNamespace(run_id="r-1"))

    package.start_run = start_run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mlflow", package)
    monkeypatch.setitem(sys.modules, "mlflow.keras", submodule)
    run = tracked(tmp_path / "one", tiny_faces, Tracking(mlflow_uri="http://tracking"))
    assert calls[:2] == [("uri", "http://tracking"), ("start", (None, "one"))]
    assert calls[2][1]["architecture"] == "three_convolutions"
    assert [call[1][0] for call in calls if call[0] == "epoch"] == [0, 1]
    assert calls[-1] == ("end", None)
    again = RunTracking(run.read_setup(), run)
    again.begin(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]), 2)
    again.end()
    assert ("start", ("r-1", "one")) in calls

    def refuse(uri: str) -> None:
        raise ConnectionError("nobody there")

    package.set_tracking_uri = refuse  # type: ignore[attr-defined]
    with pytest.raises(InputError, match=r"MLflow at http://tracking cannot be used .nobody there"):
        RunTracking(run.read_setup(), run).begin(keras.Sequential(), 2)


def test_what_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    check_tracking(Tracking())
    check_tracking(Tracking(tensorboard=True))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(InputError, match="pip install mlflow"):
        check_tracking(Tracking(mlflow_uri="x"))
    with pytest.raises(InputError, match="pip install tensorboard"):
        check_tracking(Tracking(tensorboard=True))
