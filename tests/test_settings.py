"""The root folders and the environment variables."""

import os
import sys
from pathlib import Path

import pytest

from fer_core import settings as settings_module
from fer_core.errors import InputError
from fer_core.extras import install_command, require_packages
from fer_core.settings import (
    PROJECT_ROOT,
    Settings,
    is_installed_package,
    is_shipped_model,
    load_settings,
    module_command,
)

VARIABLES = (
    "FER_STUDIO_DATA",
    "FER_STUDIO_RUNS",
    "FER_STUDIO_MODELS",
    "FER_STUDIO_IMPORT_ROOTS",
    "FER_STUDIO_LOGIN",
    "FER_STUDIO_MLFLOW",
    "FER_STUDIO_STUDY_STORAGE",
)


@pytest.fixture
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def packaged_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The models folder inside the package, which only an installed package has."""
    folder = tmp_path / "site-packages" / "fer_core" / "models"
    folder.mkdir(parents=True)
    monkeypatch.setattr(settings_module, "_PACKAGED_MODELS", folder)
    return folder


def test_the_folders_of_a_checkout_are_in_it(no_variables: None) -> None:
    assert (PROJECT_ROOT / "fer_core").is_dir()
    assert not is_installed_package()
    assert load_settings() == Settings(
        PROJECT_ROOT / "data",
        PROJECT_ROOT / "runs",
        PROJECT_ROOT / "models",
        import_roots=(PROJECT_ROOT / "imports", (Path.home() / "Downloads").resolve()),
        # On a shared server, the downloads of the user who runs it are private.
        import_roots_if_shared=(PROJECT_ROOT / "imports",),
    )


def test_the_folders_of_an_installed_package_are_in_the_user_s_data_folder(
    no_variables: None,
    packaged_models: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    settings = load_settings()
    home = (tmp_path / "share" / "fer-studio").resolve()
    assert (settings.data_root, settings.runs_root, settings.models_root) == (
        home / "data",
        home / "runs",
        home / "models",
    )
    assert settings.import_roots[0] == home / "imports"
    assert settings.detectors_root == home / "models" / "detectors"
    # The shipped models are found there, after the user's own, and nothing is written there.
    assert settings.model_roots == (home / "models", packaged_models)
    assert not home.exists()


def test_a_shipped_model_is_recognized(packaged_models: Path, tmp_path: Path) -> None:
    assert is_shipped_model(packaged_models / "champion")
    assert not is_shipped_model(tmp_path / "models" / "champion")


def test_a_checkout_has_one_folder_of_models(no_variables: None) -> None:
    assert load_settings().model_roots == (PROJECT_ROOT / "models",)
    assert not is_shipped_model(PROJECT_ROOT / "models" / "champion")


def test_pages_import_from_the_folders_that_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    named = [str(tmp_path / "one"), "~/two", "", str(tmp_path / "one")]
    monkeypatch.setenv("FER_STUDIO_IMPORT_ROOTS", os.pathsep.join(named))
    settings = load_settings()
    assert settings.import_roots == (tmp_path.resolve() / "one", tmp_path.resolve() / "two")
    assert settings.import_roots_if_shared == settings.import_roots


@pytest.mark.parametrize(
    ("text", "setting"),
    [("", "as configured"), (" required ", "required"), ("none", "none")],
)
def test_the_login_setting(monkeypatch: pytest.MonkeyPatch, text: str, setting: str) -> None:
    monkeypatch.setenv("FER_STUDIO_LOGIN", text)
    assert load_settings().login == setting


@pytest.mark.parametrize("text", ["Required", "no", "0", "off"])
def test_an_unknown_login_setting_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("FER_STUDIO_LOGIN", text)
    with pytest.raises(InputError, match="FER_STUDIO_LOGIN should be 'required' or 'none'"):
        load_settings()


@pytest.mark.parametrize("text", ["0", "65", "two", "²"])
def test_an_invalid_number_of_trainings_is_refused(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("FER_STUDIO_PARALLEL_RUNS", text)
    with pytest.raises(InputError, match="FER_STUDIO_PARALLEL_RUNS should be an integer"):
        load_settings()


def test_addresses_for_shared_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_STUDIO_MLFLOW", " http://mlflow:5000 ")
    monkeypatch.setenv("FER_STUDIO_STUDY_STORAGE", "")
    settings = load_settings()
    assert settings.mlflow_address == "http://mlflow:5000"
    assert settings.study_storage == ""


def test_environment_variables_name_other_folders(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FER_STUDIO_DATA", "~/faces")
    monkeypatch.setenv("FER_STUDIO_RUNS", "relative/runs")
    monkeypatch.setenv("FER_STUDIO_MODELS", "")
    settings = load_settings()
    assert settings.data_root == tmp_path.resolve() / "faces"
    assert settings.runs_root == tmp_path.resolve() / "relative" / "runs"
    assert settings.models_root == PROJECT_ROOT / "models"  # an empty value counts as not set


def test_the_cache_is_in_the_data_folder(settings: Settings) -> None:
    assert settings.cache_root == settings.data_root / ".cache"


def test_detectors_are_in_the_models_folder(settings: Settings) -> None:
    assert settings.detectors_root == settings.models_root / "detectors"


def test_child_processes_of_an_installed_package_do_not_search_its_folder_first(
    packaged_models: Path,
) -> None:
    assert module_command("fer_core.x") == [sys.executable, "-P", "-m", "fer_core.x"]


def test_child_processes_of_a_checkout_find_its_code() -> None:
    assert module_command("fer_core.x") == [sys.executable, "-m", "fer_core.x"]


def test_a_missing_package_names_the_command_that_installs_it(packaged_models: Path) -> None:
    require_packages("A test needs", "search", "json", "numpy")
    with pytest.raises(
        InputError,
        match=r"A search needs no_such_one and no_such_two, which are not installed; "
        r"run 'pip install \"fer-studio\[search\]\"'\.",
    ):
        require_packages("A search needs", "search", "json", "no_such_one", "no_such_two")


def test_a_checkout_names_its_requirement_files() -> None:
    assert install_command("train") == "pip install -r requirements.txt"
    assert install_command("mlflow") == "pip install -r requirements-dev.txt"
    assert install_command("service") == "pip install -r requirements-scale.txt"
    for name in ("requirements.txt", "requirements-dev.txt"):
        assert (PROJECT_ROOT / name).is_file()


@pytest.mark.parametrize("variable", ["DATA", "ANALYSES", "IMPORT_ROOTS"])
def test_the_home_folder_of_an_unknown_user_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(f"FER_STUDIO_{variable}", "~nobody-has-this-name/faces")
    with pytest.raises(InputError, match="The home folder of '~nobody-has-this-name/faces'"):
        load_settings()


def test_a_user_without_a_home_folder_has_no_downloads(
    no_variables: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    settings = load_settings()
    assert settings.import_roots == settings.import_roots_if_shared
