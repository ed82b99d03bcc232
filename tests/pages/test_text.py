"""Text on pages: escaping, and the program's folders."""

from pathlib import Path

import pytest

from fer_core.settings import Settings
from fer_studio.ui.text import plain_text, without_server_paths


@pytest.fixture
def roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    settings = Settings(tmp_path / "data", tmp_path / "runs", tmp_path / "data" / "models")
    for name in ("data", "runs", "models"):
        monkeypatch.setenv(f"FER_STUDIO_{name.upper()}", str(getattr(settings, f"{name}_root")))
    return settings


def test_the_programs_folders_have_short_names(roots: Settings) -> None:
    file = roots.models_root / "votes" / "bundle.json"
    assert without_server_paths(f"{file} is damaged") == "models/votes/bundle.json is damaged"
    assert without_server_paths(f"in {roots.data_root}; make") == "in data; make"
    both = f"{roots.runs_root}/a and {roots.runs_root}/b"
    assert without_server_paths(both) == "runs/a and runs/b"
    # Another folder with the same start.
    other = f"{roots.runs_root}-old/a"
    assert without_server_paths(other) == other
    inside = f"/mnt{roots.runs_root}/a"
    assert without_server_paths(inside) == inside
    assert plain_text(f"{roots.runs_root}/a_1") == r"runs/a\_1"


def test_an_unreadable_folder_is_named(roots: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_STUDIO_PARALLEL_RUNS", "many")
    monkeypatch.setenv("FER_STUDIO_ANALYSES", "/somewhere")  # a new key of the cache
    text = f"The folder {roots.data_root} cannot be read"
    assert without_server_paths(text) == text
