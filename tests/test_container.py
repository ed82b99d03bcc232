"""The container's files against the app: what the image holds, who it runs as, who can reach it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from fer_core.settings import PROJECT_ROOT

DOCKERFILE = (PROJECT_ROOT / "Dockerfile").read_text(encoding="utf-8")
IGNORED = (PROJECT_ROOT / ".dockerignore").read_text(encoding="utf-8")


def service(file: str, name: str) -> dict[str, Any]:
    document = yaml.safe_load((PROJECT_ROOT / file).read_text(encoding="utf-8"))
    found: dict[str, Any] = document["services"][name]
    return found


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A folder with what .dockerignore lets into the image."""
    folder = tmp_path / "app"
    folder.mkdir()
    lines = [line for line in IGNORED.splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"  # everything that is not named stays outside
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


def test_what_the_image_holds_is_enough_to_classify_and_to_draw_a_page(image: Path) -> None:
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
        "app = AppTest.from_file('app.py', default_timeout=60)\n"
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
        timeout=120,
        check=False,
    )
    assert child.returncode == 0, child.stderr


def test_nothing_private_gets_into_the_image(image: Path) -> None:
    names = {path.name for path in image.iterdir()}
    assert names.isdisjoint({"data", "runs", "imports", "tests", ".env", ".git", ".venv"})
    assert [path.name for path in (image / ".streamlit").iterdir()] == ["config.toml"]


def test_the_image_runs_the_app_as_nobody_special() -> None:
    assert re.search(r"^FROM python:3\.11-slim$", DOCKERFILE, re.MULTILINE)
    lines = DOCKERFILE.splitlines()
    assert lines.index("USER studio") < next(
        number for number, line in enumerate(lines) if line.startswith("CMD")
    )
    assert "-r requirements.txt" in DOCKERFILE
    assert "/_stcore/health" in DOCKERFILE
    assert '"--server.address=0.0.0.0"' in DOCKERFILE


def test_volumes_keep_what_people_make() -> None:
    volumes = service("compose.yaml", "studio")["volumes"]
    targets = {volume.split(":")[1] for volume in volumes}
    declared = re.search(r"^VOLUME (.*)$", DOCKERFILE, re.MULTILINE)
    assert declared is not None
    kept = set(yaml.safe_load(declared[1]))
    assert kept == {"/app/data", "/app/runs", "/app/models"}
    assert kept < targets
    # A volume begins as a copy of the image's folder and its owner: the app must be able to write.
    assert "chown -R studio:studio data runs models" in DOCKERFILE


def test_only_this_machine_reaches_the_app_unless_there_is_a_login() -> None:
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


def test_the_turn_server_s_address_is_one_that_the_app_understands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from fer_studio.ui.ice import ICE_VARIABLE, load_ice_servers

    text = service("compose.turn.yaml", "studio")["environment"][ICE_VARIABLE]
    values = {"FER_STUDIO_HOST": "faces.example.org", "TURN_PASSWORD": "geheim"}
    text = re.sub(r"\$\{(\w+)(:\?[^}]*)?\}", lambda found: values[found[1]], text)
    monkeypatch.setenv(ICE_VARIABLE, text)
    (server,) = load_ice_servers()
    assert server["credential"] == "geheim"
    assert server["urls"][0] == "turn:faces.example.org:3478?transport=udp"
    command = service("compose.turn.yaml", "turn")["command"]
    assert "--user=studio:${TURN_PASSWORD}" in command
