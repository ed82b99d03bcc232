"""Where data, runs and models lie."""

import os
from pathlib import Path

import pytest

from fer_core.errors import InputError
from fer_core.settings import PROJECT_ROOT, Settings, load_settings

VARIABLES = (
    "FER_STUDIO_DATA",
    "FER_STUDIO_RUNS",
    "FER_STUDIO_MODELS",
    "FER_STUDIO_IMPORT_ROOTS",
    "FER_STUDIO_LOGIN",
    "FER_STUDIO_MLFLOW",
    "FER_STUDIO_STUDY_STORAGE",
)


def test_the_folders_lie_in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    settings = load_settings()
    assert (PROJECT_ROOT / "fer_core").is_dir()
    assert settings == Settings(
        PROJECT_ROOT / "data",
        PROJECT_ROOT / "runs",
        PROJECT_ROOT / "models",
        import_roots=(PROJECT_ROOT / "imports", (Path.home() / "Downloads").resolve()),
        # Where others reach the app, nobody's downloads are theirs.
        shared_import_roots=(PROJECT_ROOT / "imports",),
    )


def test_pages_import_from_the_folders_that_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    named = [str(tmp_path / "one"), "~/two", "", str(tmp_path / "one")]
    monkeypatch.setenv("FER_STUDIO_IMPORT_ROOTS", os.pathsep.join(named))
    settings = load_settings()
    assert settings.import_roots == (tmp_path.resolve() / "one", tmp_path.resolve() / "two")
    assert settings.shared_import_roots == settings.import_roots


@pytest.mark.parametrize(
    ("text", "setting"),
    [("", "as configured"), (" required ", "required"), ("none", "none")],
)
def test_whether_there_is_a_login(monkeypatch: pytest.MonkeyPatch, text: str, setting: str) -> None:
    monkeypatch.setenv("FER_STUDIO_LOGIN", text)
    assert load_settings().login == setting


@pytest.mark.parametrize("text", ["Required", "no", "0", "off"])
def test_an_unclear_word_about_the_login_is_refused(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("FER_STUDIO_LOGIN", text)
    with pytest.raises(InputError, match="FER_STUDIO_LOGIN should be 'required' or 'none'"):
        load_settings()


def test_addresses_for_shared_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_STUDIO_MLFLOW", " http://mlflow:5000 ")
    monkeypatch.setenv("FER_STUDIO_STUDY_STORAGE", "")
    settings = load_settings()
    assert settings.mlflow_address == "http://mlflow:5000"
    assert settings.study_storage == ""


def test_environment_variables_name_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FER_STUDIO_DATA", "~/faces")
    monkeypatch.setenv("FER_STUDIO_RUNS", "relative/runs")
    monkeypatch.setenv("FER_STUDIO_MODELS", "")
    settings = load_settings()
    assert settings.data_root == tmp_path.resolve() / "faces"
    assert settings.runs_root == tmp_path.resolve() / "relative" / "runs"
    assert settings.models_root == PROJECT_ROOT / "models"  # empty is as good as unset


def test_what_can_be_computed_anew_lies_beside_the_data(settings: Settings) -> None:
    assert settings.cache_root == settings.data_root / ".cache"


def test_detectors_lie_beside_the_models(settings: Settings) -> None:
    assert settings.detectors_root == settings.models_root / "detectors"
