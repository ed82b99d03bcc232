"""The wheel, installed into an empty environment and started from an empty folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import psutil
import pytest
import yaml
from free_port import free_port
from installation import Installation, build_wheel, install_from_index, install_on_links
from streamlit_client import draw_page

from fer_core.dataset.face_set import FaceSet
from fer_core.emotions import EMOTIONS
from fer_core.settings import PROJECT_ROOT

SPLITS = ("train", "validation", "test")
SMALL = ("--recipe", "three-conv-cnn-adam", "--data", "demo")
SPACE = '[{"field": "learning_rate", "low": 0.001, "high": 0.01}]'
TITLES = {
    "": "Facial emotion recognition",
    "analyze": "Analyze photos",
    "live": "Live",
    "video": "Video",
    "dataset": "Dataset",
    "train": "Train",
    "evaluate": "Evaluate",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(
    scope="module",
    params=["links", pytest.param("index", marks=pytest.mark.soak)],
)
def installation(
    request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    install = {"links": install_on_links, "index": install_from_index}[request.param]
    root = tmp_path_factory.mktemp("installed")
    yield install(wheel, root)
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def port(installation: Installation) -> Iterator[int]:
    """The app, started by its command, on a free port."""
    with running_app(installation) as number:
        yield number


@contextmanager
def running_app(installation: Installation, **variables: str) -> Iterator[int]:
    """Start the app with ``fer-studio app``, and stop it at the end.

    Yields:
        Its port.
    """
    number = free_port()
    options = [f"--server.port={number}", "--server.headless=true"]
    log = installation.home / f"server-{number}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            installation.command("fer-studio", "app", *options),
            cwd=installation.folder,
            env=installation.variables | variables,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + 300
        while not _answers(number):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, "the app does not answer"
            time.sleep(0.05)
        listening = psutil.Process(process.pid).net_connections()
        addresses = {one.laddr.ip for one in listening if one.status == psutil.CONN_LISTEN}
        assert addresses == {"127.0.0.1"}
        yield number
    finally:
        process.terminate()
        process.wait(timeout=300)
    assert "Traceback" not in log.read_text(), log.read_text()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.parametrize("address", TITLES)
def test_every_page_answers(port: int, address: str) -> None:
    page = draw_page(port, address)
    assert page.exceptions == []
    assert page.titles == [TITLES[address]]


def test_a_session_is_refused_under_a_name_that_is_not_allowed(
    installation: Installation,
) -> None:
    """As compose.public.yaml sets it: a page whose name was made to point here gets nothing."""
    compose = yaml.safe_load((PROJECT_ROOT / "compose.public.yaml").read_text(encoding="utf-8"))
    environment = compose["services"]["studio"]["environment"]
    (variable,) = [name for name, value in environment.items() if "FER_STUDIO_HOST" in str(value)]
    with running_app(installation, **{variable: "faces.example.org"}) as number:
        assert _websocket_status(number, "faces.example.org") == 101
        assert _websocket_status(number, "evil.example.org") == 403


def _websocket_status(port: int, host: str) -> int:
    """The answer to a page of a host that asks for a session on itself."""
    connection = HTTPConnection("127.0.0.1", port, timeout=300)
    headers = {
        **{"Host": host, "Origin": f"https://{host}"},
        **{"Connection": "Upgrade", "Upgrade": "websocket"},
        **{"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="},
        "Sec-WebSocket-Protocol": "streamlit",
    }
    connection.request("GET", "/_stcore/stream", headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status


def test_the_app_applies_the_configuration_in_the_wheel(
    port: int, installation: Installation
) -> None:
    session = draw_page(port, "analyze").session
    assert session.custom_theme.light.primary_color == "#00659E"
    assert session.custom_theme.dark.primary_color == "#3893D0"
    assert Path(session.main_script_path).is_relative_to(installation.environment)
    # Nothing is written into the folder from which a user happens to start the app.
    assert list(installation.folder.iterdir()) == []


def test_the_shipped_model_classifies_without_any_setup(
    installation: Installation, tmp_path: Path
) -> None:
    from fer_core.vision.sample import sample_picture

    photo = tmp_path / "photo.png"
    photo.write_bytes(sample_picture()[1])
    done = installation.run("fer-studio", "classify", str(photo), "--json")
    assert done.returncode == 0, done.stderr
    assert '"label": "happy"' in done.stdout
    # The runtime of the networks stores no usage data.
    assert not (installation.home / ".cache" / "Microsoft").exists()


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (("train", *SMALL), "train"),
        (("search", "start", "one", *SMALL, "--space", SPACE), "search"),
        (("models", "export", "fer2013", "--format", "litert"), "train"),
        (("models", "import", "KERAS FILE", "--labels", "LABELS"), "train"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else value,
)
def test_what_is_not_installed_names_the_extra(
    installation: Installation, arguments: tuple[str, ...], extra: str
) -> None:
    places = {
        "KERAS FILE": str(PROJECT_ROOT / "models" / "fer2013" / "model.keras"),
        "LABELS": ",".join(EMOTIONS),
    }
    done = installation.run("fer-studio", *(places.get(one, one) for one in arguments))
    assert done.returncode == 2, done.stdout
    (line,) = done.stderr.strip().splitlines()
    assert f"run 'pip install \"fer-studio[{extra}]\"'" in line
    assert not (installation.user_data / "runs").exists()


START_A_TRAINING = """
from streamlit.testing.v1 import AppTest
from fer_studio.paths import MAIN_SCRIPT
app = AppTest.from_file(str(MAIN_SCRIPT), default_timeout=300)
app.switch_page("pages/train.py").run()
next(button for button in app.button if button.label == "Start training").click().run()
print(*[error.value for error in app.error])
"""


def test_the_train_page_names_the_extra(
    installation: Installation,
    draw_faces: Callable[..., FaceSet],
    write_files: Callable[..., Path],
    png: Callable[..., bytes],
) -> None:
    images = draw_faces([0, 1, 2, 3, 4, 5, 6] * 3).images
    names = [f"{split}/{emotion}/0.png" for split in SPLITS for emotion in EMOTIONS]
    folder = write_files({name: png(image) for name, image in zip(names, images, strict=True)})
    imported = installation.run("fer-studio", "dataset", "import", str(folder))
    assert imported.returncode == 0, imported.stderr
    shown = installation.run("python", "-c", START_A_TRAINING)
    assert "fer\\-studio\\[train\\]" in shown.stdout, shown.stderr
    assert not (installation.user_data / "runs").exists()


def test_models_are_published_into_the_user_s_folder_and_the_package_is_unchanged(
    installation: Installation,
) -> None:
    (shipped,) = installation.environment.glob("lib/python*/site-packages/fer_core/models/fer2013")
    before = {path.name: path.read_bytes() for path in shipped.iterdir()}
    taken = installation.run("fer-studio", "models", "import", str(shipped))
    assert taken.returncode == 2
    assert "There is already a model 'fer2013'" in taken.stderr
    copied = installation.run("fer-studio", "models", "import", str(shipped), "--name", "mine")
    assert copied.returncode == 0, copied.stderr
    assert (installation.user_data / "models" / "mine" / "model.onnx").is_file()
    chosen = installation.run("fer-studio", "models", "default", "mine")
    assert chosen.returncode == 0, chosen.stderr
    listed = installation.run("fer-studio", "models")
    assert "mine (default)" in listed.stdout and "fer2013" in listed.stdout
    program = (
        "from pathlib import Path; from fer_core.bundle import write_calibration;"
        f"write_calibration(Path({str(shipped)!r}), 2.0, 'validation')"
    )
    refused = installation.run("python", "-c", program)
    assert "is part of the installed package and cannot be changed" in refused.stderr
    assert {path.name: path.read_bytes() for path in shipped.iterdir()} == before


def test_the_command_lists_the_commands_of_the_core_and_the_app(
    installation: Installation,
) -> None:
    shown = installation.run("fer-studio", "--help")
    assert shown.stdout.startswith("usage: fer-studio ")
    for command in ("app", "dataset", "train", "models", "evaluate", "classify"):
        assert f"\n    {command} " in shown.stdout
    usage = installation.run("fer-studio", "app", "--help")
    assert "--server.port" in usage.stdout
    wrong = installation.run("fer-studio", "clasify")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("fer-studio: ")


def test_the_wheel_has_no_other_top_level_package(wheel: Path) -> None:
    import zipfile

    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {
        "fer_core",
        "fer_studio",
    }
    assert not [name for name in names if "tests" in name or "__pycache__" in name]


def test_the_wheel_ships_the_models_that_are_tracked(wheel: Path) -> None:
    import zipfile

    # What a user has published or downloaded in a checkout is not part of the project.
    tracked = [path for path in (PROJECT_ROOT / "models").rglob("*") if path.is_file()]
    listed = subprocess.run(
        ["git", "ls-files", "models"], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode == 0:
        tracked = [PROJECT_ROOT / name for name in listed.stdout.splitlines()]
    with zipfile.ZipFile(wheel) as archive:
        shipped = {name for name in archive.namelist() if name.startswith("fer_core/models/")}
    assert shipped == {f"fer_core/{path.relative_to(PROJECT_ROOT)}" for path in tracked}


def test_the_command_also_starts_a_checkout() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from fer_studio.paths import *; print(MAIN_SCRIPT, PAGES_FOLDER)"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(PROJECT_ROOT / "app.py"), str(PROJECT_ROOT / "pages")]
