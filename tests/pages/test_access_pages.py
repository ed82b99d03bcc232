"""Login and roles on the pages: who sees what, and what is refused where it is done."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import streamlit as st
from logins import EDITOR, SECRETS, VIEWER, open_as, user
from streamlit.testing.v1 import AppTest

from fer_core.bundle import default_bundle_name
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.store import _save, dataset_names
from fer_core.errors import InputError
from fer_core.settings import PROJECT_ROOT, Settings
from fer_core.training.registry import list_runs
from fer_core.training.search import study_names
from fer_studio.ui.access import _is_local, _secrets, admission, is_private
from fer_studio.ui.frame import PAGES
from fer_studio.ui.train.datasets import selected_dataset_name

STRANGER = "mallory@evil.net"


@pytest.fixture
def faces(home: Settings, draw_faces: Callable[..., FaceSet]) -> str:
    """An imported dataset of that name, whose first training image also appears in validation."""
    drawn = draw_faces([*range(7)] * 3, splits=["train"] * 14 + ["validation"] * 7)
    images = drawn.images.copy()
    images[14] = images[0]
    folder = home.data_root / "faces"
    folder.mkdir(parents=True)
    _save(FaceSet(images, drawn.labels, drawn.splits, drawn.names), folder, {"source": "drawn"})
    return "faces"


def said(app: AppTest) -> str:
    parts = [*app.info, *app.warning, *app.error, *app.markdown, *app.caption]
    return " ".join(part.value for part in parts).replace("\\", "")


def labels(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def is_bare(app: AppTest) -> bool:
    """Return True if the page shows only its title and a refusal."""
    widgets = ("selectbox", "file_uploader", "button_group", "tabs", "dataframe", "toggle")
    return len(app.title) == 1 and not any(app.get(kind) for kind in widgets)


@pytest.mark.parametrize("page", [entry.name for entry in PAGES])
def test_a_visitor_without_a_login_sees_the_login_only(home: Settings, page: str) -> None:
    app = open_as(None, page)
    assert is_bare(app)
    assert labels(app) == ["Log in"]
    assert "log in to continue" in said(app)
    assert "banned in the European Union" in said(app)


@pytest.mark.parametrize("page", [entry.name for entry in PAGES])
def test_an_address_without_a_role_can_log_in_with_another_account(
    home: Settings, page: str
) -> None:
    app = open_as(STRANGER, page)
    assert is_bare(app)
    assert set(labels(app)) == {"Log out"}
    assert f"logged in as {STRANGER}, which has no role on this server" in said(app)


@pytest.mark.parametrize("page", ["dataset", "train"])
def test_a_viewer_sees_that_a_page_is_for_editors(home: Settings, faces: str, page: str) -> None:
    app = open_as(VIEWER, page)
    assert is_bare(app)
    assert labels(app) == ["Log out"]
    assert f"This page is for editors; {VIEWER} is a viewer" in said(app)


def test_a_viewer_analyzes_and_evaluates(home: Settings) -> None:
    app = open_as(VIEWER, "analyze")
    assert app.get("file_uploader")
    assert f"{VIEWER}, viewer" in said(app)
    assert "Download YuNet" not in labels(app)
    app = open_as(VIEWER, "evaluate")
    assert app.selectbox(key="model").value == "small"


@pytest.mark.parametrize("page", ["dataset", "train", "analyze"])
def test_an_editor_sees_every_page(home: Settings, faces: str, page: str) -> None:
    app = open_as(EDITOR, page)
    assert f"{EDITOR}, editor" in said(app)
    wanted = {"dataset": "Delete…", "train": "Start training", "analyze": "Download YuNet"}
    assert wanted[page] in labels(app)


@pytest.mark.parametrize(
    ("email", "visible"),
    [
        (None, []),
        (STRANGER, []),
        (VIEWER, ["", "analyze", "live", "video", "evaluate"]),
        (EDITOR, ["", "analyze", "live", "video", "dataset", "train", "evaluate"]),
    ],
)
def test_the_navigation_shows_the_pages_of_the_role(
    home: Settings,
    monkeypatch: pytest.MonkeyPatch,
    email: str | None,
    visible: list[str],
) -> None:
    shown: list[list[str]] = []
    real = st.navigation

    def navigation(pages: list[Any], **options: Any) -> Any:
        shown.append([page.url_path for page in pages if page.visibility == "visible"])
        return real(pages, **options)

    monkeypatch.setattr(st, "navigation", navigation)
    open_as(email, "analyze")
    assert shown[-1] == visible


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        ({"access": SECRETS["access"]}, "has [access] but no [auth]"),
        ({"auth": SECRETS["auth"]}, "no [access]"),
        (SECRETS | {"access": {"editors": []}}, "at least one address"),
        (SECRETS | {"access": {"admins": [EDITOR]}}, "unknown key 'admins'"),
    ],
)
def test_an_invalid_configuration_closes_the_server_and_says_what_to_fix(
    home: Settings, broken: dict[str, Any], what: str
) -> None:
    for page in ("train", "analyze"):
        app = open_as(EDITOR, page, secrets=broken)
        assert is_bare(app)
        assert labels(app) == []
        assert what in said(app)
        assert "geheim" not in said(app)


def test_a_login_that_is_required_and_not_configured_closes_the_server(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FER_STUDIO_LOGIN", "required")
    app = open_as(EDITOR, "analyze", secrets={"other": {"key": "value"}})
    assert is_bare(app)
    assert "FER_STUDIO_LOGIN is 'required'" in said(app)


def test_an_invalid_setting_is_reported_on_every_page(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FER_STUDIO_PARALLEL_RUNS", "many")
    for page in ("analyze", "train"):
        app = open_as(None, page, secrets={})
        assert is_bare(app)
        assert "FER_STUDIO_PARALLEL_RUNS should be an integer" in said(app)


@pytest.fixture
def secrets_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where secrets.toml is looked for; there is none yet."""
    path = tmp_path / "secrets.toml"
    original = st.get_option

    def option(key: str) -> Any:
        return [str(path)] if key == "secrets.files" else original(key)

    monkeypatch.setattr("streamlit.runtime.secrets.config.get_option", option)
    monkeypatch.setattr("streamlit.get_option", option)
    st.secrets._reset()
    yield path
    st.secrets._reset()


def test_secrets_that_cannot_be_read_close_the_server(home: Settings, secrets_file: Path) -> None:
    assert not admission().requires_login
    secrets_file.write_text("[access\n")
    assert admission().role == 0
    assert "secrets.toml cannot be read" in admission().reason
    secrets_file.write_bytes(b'[access]\neditors = ["\xff"]\n')
    assert "secrets.toml cannot be read" in admission().reason
    secrets_file.unlink()
    secrets_file.mkdir()
    assert "secrets.toml cannot be read" in admission().reason
    secrets_file.rmdir()
    # A link that leads nowhere was meant to lead to something.
    secrets_file.symlink_to(secrets_file.with_name("gone.toml"))
    assert "secrets.toml cannot be read" in admission().reason


def test_unrelated_secrets_have_no_effect(home: Settings, secrets_file: Path) -> None:
    secrets_file.write_text('[webrtc]\nice_servers = [{ urls = "stun:stun.example.org" }]\n')
    assert _secrets() == {"webrtc": {"ice_servers": [{"urls": "stun:stun.example.org"}]}}
    assert not admission().requires_login


def demote(app: AppTest) -> None:
    """Remove the editor's role while the page is open."""
    app.secrets = SECRETS | {"access": {"editors": ["other@example.org"], "viewers": [EDITOR]}}


def test_starting_a_training_requires_the_role(home: Settings, faces: str) -> None:
    app = open_as(EDITOR, "train", train_data=faces)
    start = app.button(key="start_training")
    assert not start.disabled
    demote(app)
    start.click().run()
    assert list_runs(home) == []
    assert "This page is for editors" in said(app)


@pytest.mark.parametrize(("email", "is_run"), [(EDITOR, True), (VIEWER, False)])
def test_an_action_on_a_run_requires_the_role_at_the_click(email: str, is_run: bool) -> None:
    def script() -> None:
        import streamlit as st

        from fer_studio.ui.train.feedback import run_action, show_outcome

        st.session_state.setdefault("is_done", False)
        st.button(
            "Act",
            key="act",
            on_click=run_action,
            args=(lambda: st.session_state.update(is_done=True),),
        )
        show_outcome()

    app = AppTest.from_function(script, default_timeout=180)
    app.secrets, app.user = SECRETS, user(EDITOR)
    app.run()
    app.user = user(email)
    app.button(key="act").click().run()
    assert app.session_state.is_done is is_run
    assert ("requires the editor role" in said(app)) is not is_run


def test_creating_a_search_requires_the_role(home: Settings, faces: str) -> None:
    app = open_as(EDITOR, "train", view="Search", train_data=faces)
    app.text_input(key="search_name").set_value("rates")
    demote(app)
    app.button(key="create_search").click().run()
    assert study_names(home) == []


def test_deleting_a_dataset_requires_the_role(home: Settings, faces: str) -> None:
    app = open_as(EDITOR, "dataset")
    app.button(key="delete_dataset").click().run()
    demote(app)
    app.button(key="delete_confirmed").click().run()
    assert dataset_names(home) == [faces]


def test_importing_requires_the_role(home: Settings) -> None:
    app = open_as(EDITOR, "dataset", import_source="demo")
    demote(app)
    app.button(key="import_demo").click().run()
    assert dataset_names(home) == []


def test_curating_images_requires_the_role(home: Settings, faces: str) -> None:
    app = open_as(EDITOR, "dataset", dataset_section=":material/healing: Clean up")
    decisions = home.data_root / faces / "curation.csv"
    demote(app)
    app.button(key="fix_drop-train-copies").click().run()
    assert not decisions.exists()
    app = open_as(EDITOR, "dataset", dataset_section=":material/healing: Clean up")
    app.button(key="fix_drop-train-copies").click().run()
    assert decisions.exists()


def test_a_shared_server_takes_no_addresses_from_pages(
    home: Settings, faces: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise an editor could make the server open any address or file that it can reach."""
    launched: list[Any] = []

    def launch(setup: Any, settings: Settings, **_: Any) -> Any:
        launched.append(setup.tracking.mlflow_uri)
        raise ValueError

    monkeypatch.setattr("fer_studio.ui.train.configure.launch", launch)
    typed = {"new_run_mlflow": "http://169.254.169.254", "search_storage": "sqlite:////etc/passwd"}
    app = open_as(EDITOR, "train", train_data=faces, open_note=True, **typed)
    assert "MLflow tracking address" not in [field.label for field in app.text_input]
    app.button(key="start_training").click().run()
    assert launched == [None]
    monkeypatch.setenv("FER_STUDIO_MLFLOW", "http://mlflow.internal:5000")
    app = open_as(EDITOR, "train", train_data=faces, open_note=True, **typed)
    app.toggle(key="new_run_shared_mlflow").set_value(True).run()
    app.button(key="start_training").click().run()
    assert launched == [None, "http://mlflow.internal:5000"]

    created: list[Any] = []
    search = "fer_studio.ui.train.search"
    monkeypatch.setattr(f"{search}.create_study", lambda setup, _: created.append(setup))
    monkeypatch.setattr(f"{search}.launch_search", lambda *_: None)
    app = open_as(EDITOR, "train", view="Search", train_data=faces, **typed)
    assert "Storage address" not in [field.label for field in app.text_input]
    app.text_input(key="search_name").set_value("rates")
    app.button(key="create_search").click().run()
    assert [setup.storage for setup in created] == [None]


def test_a_choice_that_was_never_offered_leads_to_no_path(
    home: Settings, faces: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A program in the browser's place can send any text as what was chosen from a list."""
    outside = tmp_path / "outside.csv"
    outside.write_text("emotion,pixels\n")
    state = {"train_data": faces}
    monkeypatch.setattr("fer_studio.ui.train.datasets.st.session_state", state)
    assert selected_dataset_name(home) == faces
    for text in (str(outside), "../data/faces", "."):
        state["train_data"] = text
        with pytest.raises(InputError, match="no longer exists"):
            selected_dataset_name(home)


@pytest.mark.parametrize(
    ("view", "button"), [("New training", "start_training"), ("Search", "create_search")]
)
def test_a_choice_is_checked_where_it_is_used(
    home: Settings,
    faces: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    view: str,
    button: str,
) -> None:
    used: list[Any] = []
    train = "fer_studio.ui.train"
    monkeypatch.setattr(f"{train}.configure.launch", lambda *args, **_: used.append(args))
    monkeypatch.setattr(f"{train}.search.create_study", lambda *args: used.append(args))
    app = open_as(EDITOR, "train", view=view, train_data=faces)
    if view == "Search":
        app.text_input(key="search_name").set_value("rates")
    (home.data_root / faces).rename(home.data_root / "renamed")
    app.button(key=button).click().run()
    assert used == []
    assert f"The dataset '{faces}' no longer exists" in said(app)


def test_a_shared_server_does_not_read_downloads(
    home: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    downloads = tmp_path / "Downloads"
    downloads.mkdir()
    (downloads / "private.csv").write_text("emotion,pixels\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("FER_STUDIO_IMPORT_ROOTS", raising=False)
    app = open_as(EDITOR, "dataset", import_source="path")
    assert str(downloads) not in said(app)
    app.text_input(key="import_path").set_value(str(downloads / "private.csv")).run()
    assert "There is nothing to import at" in said(app)


@pytest.mark.parametrize("address", ["0.0.0.0", None])
def test_a_reachable_app_without_a_login_shows_a_warning(
    home: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    address: str | None,
) -> None:
    original = st.get_option
    monkeypatch.setattr(
        st, "get_option", lambda key: address if key == "server.address" else original(key)
    )
    app = open_as(None, "analyze", secrets={})
    assert "Others can reach this server without a login" in said(app)
    assert "Others can reach this server" in caplog.text
    assert app.get("file_uploader")
    # Whoever has set up a login, or wants none, is not warned.
    assert "without a login" not in said(open_as(VIEWER, "analyze"))
    monkeypatch.setenv("FER_STUDIO_LOGIN", "none")
    assert "without a login" not in said(open_as(None, "analyze", secrets={}))


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        *((host, True) for host in ("localhost", "studio.localhost", "127.1.2.3", "::1")),
        *((host, False) for host in ("0.0.0.0", "::", "192.168.1.20", "faces.example.org", "")),
        ("localhost.evil.net", False),
    ],
)
def test_addresses_of_this_machine_are_recognized(host: str, is_local: bool) -> None:
    assert _is_local(host) is is_local


@pytest.mark.parametrize(
    ("host", "is_own"),
    [("localhost:8501", True), ("[::1]:8501", True), ("faces.example.org", False), (None, True)],
)
def test_the_host_name_of_a_proxy_counts_as_reachable(
    home: Settings,
    secrets_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    host: str | None,
    is_own: bool,
) -> None:
    headers = {} if host is None else {"Host": host}
    monkeypatch.setattr(st, "context", SimpleNamespace(headers=headers))
    assert is_private() is is_own


#: What changes data, trainings or models, and is there for editors only.
CHANGES = {
    *("delete_dataset", "import_dataset", "import_from_kaggle", "import_votes", "remove_votes"),
    *("CurationFile", "calibrate_bundle", "write_evaluation_card", "download_yunet"),
    *("launch", "continue_run", "move_in_queue", "remove_from_queue", "delete_run", "kill_run"),
    *("request_resume", "request_pause", "request_stop", "write_label"),
    *(
        "import_in_process",
        "publish_bundle",
        "set_default_bundle",
        "create_study",
        "launch_search",
        "stop_search",
    ),
}


def test_every_change_requires_the_role() -> None:
    """Every module that imports a function from that list also imports what asks."""
    found = set()
    for path in sorted((PROJECT_ROOT / "fer_studio").rglob("*.py")):
        names = {
            alias.name
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        found |= names & CHANGES
        if names & CHANGES:
            assert names & {"require_editor", "run_action"}, path
    assert found == CHANGES


#: What a fragment calls to read the visitor's role again.
ROLE_CHECKS = {"rerun_if_refused", "admission"}


def names_in(node: ast.AST) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}


def is_fragment(node: ast.AST) -> bool:
    """Whether an expression makes a fragment or a dialog, with or without arguments."""
    target = node.func if isinstance(node, ast.Call) else node
    if isinstance(target, ast.Name):
        return target.id == "placed_fragment"
    return isinstance(target, ast.Attribute) and target.attr in {"fragment", "dialog"}


def fragments_in(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    """The functions of a module that Streamlit may run without their page."""
    functions = {one.name: one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)}
    found = {
        name: function
        for name, function in functions.items()
        if any(is_fragment(decorator) for decorator in function.decorator_list)
    }
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and is_fragment(call.func) and call.args:
            found |= {name: functions[name] for name in names_in(call.args[0]) & set(functions)}
    return found


def test_every_fragment_checks_the_role() -> None:
    """A fragment and a dialog run without the page, which checked the role when it was drawn."""
    count = 0
    for path in sorted((PROJECT_ROOT / "fer_studio").rglob("*.py")):
        for name, function in fragments_in(ast.parse(path.read_text(encoding="utf-8"))).items():
            count += 1
            assert names_in(function) & ROLE_CHECKS, f"{path.name}: {name}"
    assert count >= 20


def test_the_configuration_of_the_server_keeps_strangers_out() -> None:
    assert st.get_option("server.enableXsrfProtection") is True
    assert st.get_option("server.enableCORS") is True
    assert st.get_option("server.enableAgentApi") is False
    assert st.get_option("server.enableStaticServing") is False
    assert st.get_option("server.trustedUserHeaders") == {}


def test_an_unknown_default_is_shown_as_it_is_written(home: Settings) -> None:
    (home.models_root / "default").write_text("![x](http://evil.example/x.png)\n")
    app = open_as(EDITOR, "analyze")
    assert default_bundle_name(home) == "![x](http://evil.example/x.png)"
    (warning,) = [one.value for one in app.warning if "uses another model" in one.value]
    assert "![x]" not in warning
    assert "evil.example" in warning.replace("\\", "")
