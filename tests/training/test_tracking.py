"""TensorBoard's event files and MLflow's runs."""

from pathlib import Path

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


def test_event_files_contain_the_metrics_of_every_epoch(
    tiny_faces: FaceSet, tmp_path: Path
) -> None:
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


def test_mlflow_receives_parameters_and_metrics_and_a_resumed_run_keeps_its_id(
    tiny_faces: FaceSet, tmp_path: Path
) -> None:
    """With MLflow's own Keras callback, as the extra ``mlflow`` installs it."""
    import keras

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    run = tracked(tmp_path / "one", tiny_faces, Tracking(mlflow_uri=uri))

    from mlflow import MlflowClient

    client = MlflowClient(uri)
    (logged,) = client.search_runs(["0"])
    assert logged.info.run_name == "one"
    assert logged.info.status == "FINISHED"
    assert logged.data.params["architecture"] == "three_convolutions"
    epochs = run.read_epochs()
    for name, figure in (
        ("loss", lambda record: record.loss),
        ("val_macro_f1", lambda record: record.validation_macro_f1),
        ("val_recall_happy", lambda record: record.validation_recall["happy"]),
    ):
        history = client.get_metric_history(logged.info.run_id, name)
        assert [one.step for one in history] == [0, 1]
        assert [one.value for one in history] == pytest.approx([figure(one) for one in epochs])

    again = RunTracking(run.read_setup(), run)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(loss="mse")
    again.begin(model, 2)
    again.end()
    (resumed,) = client.search_runs(["0"])
    assert resumed.info.run_id == logged.info.run_id


def test_an_mlflow_address_that_cannot_be_used_is_reported(tmp_path: Path) -> None:
    import keras

    run = RunFolder(tmp_path / "run")
    setup = RunSetup("tiny", "drawn", CONFIG, Tracking(mlflow_uri="gopher://tracking"))
    with pytest.raises(InputError, match="MLflow at gopher://tracking cannot be used"):
        RunTracking(setup, run).begin(keras.Sequential(), 0)


def test_what_is_not_installed_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    check_tracking(Tracking())
    check_tracking(Tracking(tensorboard=True))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(
        InputError, match="needs mlflow, which is not installed; run 'pip install -r"
    ):
        check_tracking(Tracking(mlflow_uri="x"))
    with pytest.raises(
        InputError, match="need tensorboard and tensorflow, which are not installed"
    ):
        check_tracking(Tracking(tensorboard=True))
