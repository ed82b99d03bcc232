"""Log a run's metrics to TensorBoard and MLflow with the Keras callbacks of these libraries."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Protocol

from fer_core.errors import InputError, first_line
from fer_core.extras import require_packages
from fer_core.files import read_json, write_json
from fer_core.training.run_folder import EpochRecord, RunFolder, RunSetup, Tracking

if TYPE_CHECKING:
    import keras

TENSORBOARD_FOLDER = "tensorboard"
#: File in the run's folder with the ID of the MLflow run.
_MLFLOW_FILE = "mlflow.json"


class EpochObserver(Protocol):
    """Receives the start, the finished epochs and the end of a training."""

    def begin(self, model: keras.Model, epochs_done: int) -> None:
        """Handle the start of the training, or its resumption after some epochs."""

    def epoch(self, record: EpochRecord) -> None:
        """Handle a finished epoch."""

    def end(self) -> None:
        """Handle the end of the training."""


def check_tracking(tracking: Tracking) -> None:
    """Check that the libraries for the requested tracking are installed.

    Raises:
        InputError: A library is missing; the message says how to install it.
    """
    if tracking.tensorboard:
        require_packages("TensorBoard's event files need", "train", "tensorboard", "tensorflow")
    if tracking.mlflow_uri is not None:
        require_packages("Logging to MLflow needs", "mlflow", "mlflow")


class RunTracking:
    """Calls the Keras callbacks for the tracking that a run's setup requests."""

    def __init__(self, setup: RunSetup, run: RunFolder) -> None:
        self._setup = setup
        self._run = run
        self._callbacks: Any = None

    def begin(self, model: keras.Model, epochs_done: int) -> None:
        """Open TensorBoard's event files and the connection to MLflow, if requested.

        Raises:
            InputError: MLflow cannot be reached.
        """
        import keras

        callbacks: list[Any] = []
        if self._setup.tracking.tensorboard:
            callbacks.append(
                keras.callbacks.TensorBoard(
                    log_dir=str(self._run.path / TENSORBOARD_FOLDER), write_graph=False
                )
            )
        if self._setup.tracking.mlflow_uri is not None:
            callbacks.append(self._mlflow_callback(self._setup.tracking.mlflow_uri))
        if callbacks:
            self._callbacks = keras.callbacks.CallbackList(
                callbacks, model=model, epochs=self._setup.config.epochs
            )
            self._callbacks.on_train_begin()

    def epoch(self, record: EpochRecord) -> None:
        """Pass the metrics of an epoch to the callbacks."""
        if self._callbacks is None:
            return
        metrics = {
            "loss": record.loss,
            "accuracy": record.accuracy,
            "val_loss": record.validation_loss,
            "val_accuracy": record.validation_accuracy,
            "val_macro_f1": record.validation_macro_f1,
            "images_per_second": record.images_per_second,
        }
        metrics |= {
            f"val_recall_{class_name}": recall
            for class_name, recall in record.validation_recall.items()
            if recall is not None
        }
        self._callbacks.on_epoch_end(record.epoch - 1, metrics)

    def end(self) -> None:
        """Close the event files and the connection to MLflow."""
        if self._callbacks is None:
            return
        self._callbacks.on_train_end()
        self._callbacks = None
        if self._setup.tracking.mlflow_uri is not None:
            import mlflow

            mlflow.end_run()

    def _mlflow_callback(self, uri: str) -> Any:
        """Start or resume the MLflow run of this training, and return MLflow's Keras callback."""
        # This variable keeps MLflow from sending usage data to its developers. MLflow reads it on
        # import.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        import mlflow
        import mlflow.keras

        path = self._run.path / _MLFLOW_FILE
        try:
            run_id = read_json(path)["run_id"]
        except (OSError, ValueError, KeyError, TypeError):
            run_id = None
        try:
            mlflow.set_tracking_uri(uri)
            mlflow_run = mlflow.start_run(run_id=run_id, run_name=self._run.path.name)
            if run_id is None:
                mlflow.log_params(
                    {"recipe": self._setup.recipe, "data": self._setup.data}
                    | self._setup.config.to_json()
                )
        except Exception as error:
            # The databases and servers of MLflow raise many types of errors.
            raise InputError(
                f"MLflow at {uri} cannot be used ({first_line(error)}); check the address, or "
                "remove it."
            ) from error
        # Store the ID, so that the metrics are logged to the same MLflow run after a resume.
        write_json(path, {"uri": uri, "run_id": mlflow_run.info.run_id})
        return mlflow.keras.MlflowCallback()
