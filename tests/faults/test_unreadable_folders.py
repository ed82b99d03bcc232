"""Files and folders that belong to another user: a clear message, and no advice to delete them."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from writers import error_of

from fer_core.bundle import damaged_bundles, find_bundle, list_bundles
from fer_core.dataset.store import dataset_names, delete_dataset, load_dataset, read_record
from fer_core.errors import InputError
from fer_core.settings import Settings, load_settings
from fer_core.training.queue import pending_runs
from fer_core.training.registry import find_run, list_runs

NOBODY = 65_534
#: What the pages and commands read.
READERS: dict[str, Callable[[Settings], object]] = {
    "names of datasets": dataset_names,
    "a dataset": lambda settings: load_dataset("kept", settings),
    "its record": lambda settings: read_record("kept", settings),
    "the demo set": lambda settings: load_dataset("demo", settings),
    "deletion": lambda settings: delete_dataset("kept", settings),
    "models": list_bundles,
    "damaged models": damaged_bundles,
    "the default model": lambda settings: find_bundle(None, settings),
    "a model": lambda settings: find_bundle("small", settings),
    "runs": list_runs,
    "a run": lambda settings: find_run("one", settings).read_setup(),
    "the queue": pending_runs,
}


@contextmanager
def normal_user() -> Iterator[None]:
    """Run the body without the rights of root, which may read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def home(new_home: Callable[[], Settings]) -> Iterator[Settings]:
    """The program's folders, where another user can reach them; pytest's folders are private."""
    root = Path(tempfile.mkdtemp(prefix="fer-studio-test-"))
    root.chmod(0o755)
    shutil.copytree(new_home().data_root.parent, root / "home")
    (root / "home").chmod(0o755)
    yield Settings(root / "home/data", root / "home/runs", root / "home/models")
    for folder, _, _ in os.walk(root):
        Path(folder).chmod(0o755)
    shutil.rmtree(root)


@pytest.mark.parametrize(
    "place",
    [
        *("data/kept", "data/kept/dataset.json", "data/kept/faces.npz", "data/kept/curation.csv"),
        *("runs/one", "runs/one/config.json", "runs/one/status.json", "runs/.queue"),
        *("models/small", "models/small/bundle.json", "models/small/calibration.json"),
        "models/default",
    ],
)
def test_what_cannot_be_read_is_an_input_error_and_never_called_damaged(
    home: Settings, place: str
) -> None:
    path = home.data_root.parent / place
    assert path.exists()
    path.chmod(0)
    messages = []
    with normal_user():
        for name, read in READERS.items():
            try:
                read(home)
            except InputError as error:
                messages.append(str(error))
            except OSError as error:
                pytest.fail(f"{name}: {error!r}")
    assert not any("damaged" in message and "Permission" in message for message in messages)


@pytest.mark.parametrize(
    ("place", "reader"),
    [
        *(("data/kept/dataset.json", reader) for reader in ("a dataset", "its record")),
        ("data/kept/faces.npz", "a dataset"),
        *(("models/small", reader) for reader in ("a model", "the default model")),
        ("models/small/calibration.json", "a model"),
        ("runs/one/config.json", "a run"),
    ],
)
def test_the_message_names_the_file_and_its_permissions(
    home: Settings, place: str, reader: str
) -> None:
    path = home.data_root.parent / place
    path.chmod(0)
    with normal_user():
        message = error_of(READERS[reader], home)
    assert message is not None
    assert f"{path}" in message
    assert "cannot be read (Permission denied); check its permissions" in message


@pytest.mark.parametrize(
    "place", ["models", "models/small", "models/small/bundle.json", "runs", "runs/one/bundle"]
)
def test_an_unreadable_model_is_not_called_missing(home: Settings, place: str) -> None:
    """Without a default model, and with this model as the only one."""
    (home.models_root / "default").unlink()
    shutil.rmtree(home.models_root / "other")
    path = home.data_root.parent / place
    shutil.rmtree(home.data_root.parent / ("models/small" if "runs" in place else "runs"))
    path.chmod(0)
    with normal_user():
        assert list_bundles(home) == []
        message = error_of(READERS["the default model"], home)
    assert message is not None
    assert f"{path}" in message
    assert "cannot be read (Permission denied); check its permissions" in message


@pytest.mark.parametrize("root", ["data", "runs", "models"])
def test_an_unreadable_root_folder_is_named(
    home: Settings, monkeypatch: pytest.MonkeyPatch, root: str
) -> None:
    for name in ("data", "runs", "models"):
        monkeypatch.setenv(f"FER_STUDIO_{name.upper()}", str(home.data_root.parent / name))
    for mode in (0o000, 0o444, 0o111):
        (home.data_root.parent / root).chmod(mode)
        with normal_user(), pytest.raises(InputError, match=f"home/{root} cannot be read"):
            load_settings()
    (home.data_root.parent / root).chmod(0o755)
    with normal_user():
        assert load_settings().data_root == home.data_root
