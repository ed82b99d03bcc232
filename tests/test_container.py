"""The container's files against the app: the image's content, its user and who can reach it."""

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from free_port import free_port

from fer_core.settings import PROJECT_ROOT

DOCKERFILE = (PROJECT_ROOT / "Dockerfile").read_text(encoding="utf-8")
#: Each instruction as (name, argument), with continued lines joined.
INSTRUCTIONS = [
    (name, " ".join(argument.split()))
    for name, argument in re.findall(
        r"^([A-Z]+) (.*)$", DOCKERFILE.replace("\\\n", " "), re.MULTILINE
    )
]
IGNORED = (PROJECT_ROOT / ".dockerignore").read_text(encoding="utf-8")


def arguments_of(instruction: str) -> list[str]:
    return [argument for name, argument in INSTRUCTIONS if name == instruction]


def service(file: str, name: str) -> dict[str, Any]:
    document = yaml.safe_load((PROJECT_ROOT / file).read_text(encoding="utf-8"))
    found: dict[str, Any] = document["services"][name]
    return found


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A folder with the files that .dockerignore lets into the image."""
    folder = tmp_path / "app"
    folder.mkdir()
    lines = [line for line in IGNORED.splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"  # only what is named is copied
    for line in lines:
        if line.startswith("!"):
            source, target = PROJECT_ROOT / line[1:], folder / line[1:]
            target.parent.mkdir(exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copyfile(source, target)
    shutil.rmtree(folder / "models" / "detectors", ignore_errors=True)
    return folder


def test_the_content_of_the_image_classifies_and_draws_a_page(image: Path) -> None:
    program = (
        "from pathlib import Path\n"
        "import fer_core.settings, fer_studio.ui.frame, streamlit as st\n"
        "from fer_core.bundle import find_bundle\n"
        "from fer_core.settings import load_settings\n"
        "assert Path(fer_core.settings.__file__).is_relative_to(Path.cwd())\n"
        "settings = load_settings()\n"
        "assert settings.models_root == Path.cwd() / 'models'\n"
        "assert find_bundle(None, settings).served_network.is_file()\n"
        "from streamlit.testing.v1 import AppTest\n"
        "app = AppTest.from_file('app.py', default_timeout=300)\n"
        "app.switch_page('pages/analyze.py').run()\n"
        "assert not app.exception and app.title[0].value == 'Analyze photos'\n"
        "assert st.get_option('server.maxUploadSize') == 600\n"
    )
    child = subprocess.run(
        [sys.executable, "-c", program],
        cwd=image,
        env={"PATH": "/usr/bin:/bin", "HOME": str(image)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert child.returncode == 0, child.stderr


def test_the_image_has_no_private_files(image: Path) -> None:
    names = {path.name for path in image.iterdir()}
    assert names.isdisjoint({"data", "runs", "imports", "tests", ".env", ".git", ".venv"})
    assert [path.name for path in (image / ".streamlit").iterdir()] == ["config.toml"]


def test_the_image_runs_as_an_unprivileged_user() -> None:
    (user,) = arguments_of("USER")
    names = [name for name, _ in INSTRUCTIONS]
    assert names.index("USER") < names.index("CMD")
    (created,) = re.findall(r"useradd ([^&]*)", " && ".join(arguments_of("RUN")))
    assert created.split()[-1] == user
    uid = re.search(r"--uid (\d+)", created)
    assert uid is not None and int(uid[1]) >= 1000


def test_the_base_image_has_a_python_that_the_project_supports() -> None:
    (base,) = arguments_of("FROM")
    version = re.fullmatch(r"python:3\.(\d+)(-\w+)*", base)
    assert version is not None
    assert int(version[1]) >= 11


def test_the_command_of_the_image_serves_and_passes_its_health_check(image: Path) -> None:
    port = str(free_port())

    def command(argument: str) -> list[str]:
        words: list[str] = json.loads(argument)
        program = {"streamlit": [sys.executable, "-m", "streamlit"], "python": [sys.executable]}
        return [*program[words[0]], *(word.replace("8501", port) for word in words[1:])]

    (served,), (health,) = arguments_of("CMD"), arguments_of("HEALTHCHECK")
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(image)}
    check = command(health[health.index("[") :])
    with subprocess.Popen(
        command(served), cwd=image, env=environment, stdout=subprocess.DEVNULL
    ) as app:
        try:
            deadline = time.monotonic() + 300
            while subprocess.run(check, capture_output=True, check=False).returncode:
                assert app.poll() is None
                assert time.monotonic() < deadline
            listening = {
                one.laddr.ip
                for one in psutil.Process(app.pid).net_connections()
                if one.status == psutil.CONN_LISTEN
            }
            assert listening == {"0.0.0.0"}  # reachable from outside of the container
        finally:
            app.terminate()
    # The check fails when the app does not answer.
    assert subprocess.run(check, capture_output=True, check=False).returncode != 0


def test_volumes_keep_datasets_runs_and_models() -> None:
    volumes = service("compose.yaml", "studio")["volumes"]
    targets = {volume.split(":")[1] for volume in volumes}
    (declared,) = arguments_of("VOLUME")
    kept = set(json.loads(declared))
    assert kept == {"/app/data", "/app/runs", "/app/analyses", "/app/models"}
    assert kept < targets
    # A volume starts as a copy of the image's folder with its owner: the app must be able to write.
    (user,), (folder,) = arguments_of("USER"), arguments_of("WORKDIR")
    owned = re.search(rf"chown -R {user}:{user} ([^&]*)", " && ".join(arguments_of("RUN")))
    assert owned is not None
    assert kept <= {f"{folder}/{name}" for name in owned[1].split()}


def test_the_app_is_reachable_from_other_machines_only_with_a_login() -> None:
    alone = service("compose.yaml", "studio")
    assert alone["environment"]["FER_STUDIO_LOGIN"] == "none"
    assert all(port.startswith("127.0.0.1:") for port in alone["ports"])
    public = service("compose.public.yaml", "studio")
    assert public["environment"]["FER_STUDIO_LOGIN"] == "required"
    assert "ports" not in public
    assert "ports" not in service("compose.turn.yaml", "studio")


def test_the_proxy_lets_no_other_site_show_the_app_in_a_frame() -> None:
    text = (PROJECT_ROOT / "Caddyfile").read_text(encoding="utf-8")
    headers = dict(re.findall(r'^\t\t([A-Z][\w-]+) "?([^"\n]+)"?$', text, re.MULTILINE))
    # "self": the webcam component is a frame inside the app.
    assert headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "frame-ancestors 'self'" in headers["Content-Security-Policy"].split("; ")
    assert re.search(r"^\treverse_proxy studio:8501$", text, re.MULTILINE)
    caddy = service("compose.public.yaml", "caddy")
    assert "./Caddyfile:/etc/caddy/Caddyfile:ro" in caddy["volumes"]
    assert re.findall(r"^\{\$(\w+)\} \{$", text, re.MULTILINE) == list(caddy["environment"])


def test_a_public_app_is_served_under_its_own_name_only() -> None:
    environment = service("compose.public.yaml", "studio")["environment"]
    assert environment["STREAMLIT_SERVER_ALLOWED_HOSTS"].startswith("${FER_STUDIO_HOST:?")


def test_the_app_reads_the_address_of_the_turn_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from fer_studio.ui.ice import ICE_VARIABLE, load_ice_servers

    text = service("compose.turn.yaml", "studio")["environment"][ICE_VARIABLE]
    values = {"FER_STUDIO_HOST": "faces.example.org", "TURN_PASSWORD": "secret"}
    text = re.sub(r"\$\{(\w+)(:\?[^}]*)?\}", lambda found: values[found[1]], text)
    monkeypatch.setenv(ICE_VARIABLE, text)
    (server,) = load_ice_servers()
    assert server["credential"] == "secret"
    assert server["urls"][0] == "turn:faces.example.org:3478?transport=udp"
    command = service("compose.turn.yaml", "turn")["command"]
    assert "--user=studio:${TURN_PASSWORD}" in command
