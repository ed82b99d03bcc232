"""Models and datasets are damaged or removed while a page shows them."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from writers import archive

from fer_core.dataset.store import import_dataset
from fer_core.settings import PROJECT_ROOT, Settings

OpenPage = Callable[[str], AppTest]


@pytest.fixture
def home(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    write_bundle_folder: Callable[..., Path],
    one_component_scan: None,
) -> Iterator[Settings]:
    for name in ("data", "runs", "models"):
        monkeypatch.setenv(f"FER_STUDIO_{name.upper()}", str(getattr(settings, f"{name}_root")))
    monkeypatch.chdir(PROJECT_ROOT)
    st.cache_resource.clear()
    for name in ("small", "other"):
        write_bundle_folder(settings.models_root / name)
    (settings.models_root / "default").write_text("small\n")
    import_dataset(archive(settings.data_root.parent / "faces.zip"), settings, name="kept")
    yield settings
    st.cache_resource.clear()


@pytest.fixture
def open_page(home: Settings) -> OpenPage:
    def call(name: str) -> AppTest:
        app = AppTest.from_file(str(PROJECT_ROOT / "app.py"), default_timeout=180)
        app = app.switch_page(f"pages/{name}.py").run()
        assert app.title[0].value
        return app

    return call


def messages(app: AppTest) -> list[str]:
    """The page's errors, warnings and notes, none of which is a traceback."""
    assert list(app.exception) == []
    sentences = [element.value for element in (*app.error, *app.warning, *app.info)]
    assert all("Traceback" not in sentence for sentence in sentences)
    return sentences


DAMAGES = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "garbage": lambda path: path.write_bytes(b"\x08" * 5000),
    "gone": lambda path: path.unlink(),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize(
    ("file", "damage"),
    [("model.onnx", damage) for damage in DAMAGES]
    + [("bundle.json", "cut"), ("bundle.json", "gone")],
)
def test_a_model_damaged_while_the_app_runs_is_reported(
    home: Settings, open_page: OpenPage, file: str, damage: str
) -> None:
    app = open_page("analyze")
    app.button(key="choose_sample").click().run()
    assert messages(app) == []
    DAMAGES[damage](home.models_root / "small" / file)
    app.run()
    assert any("small" in sentence for sentence in messages(app))
    # The other model still works.
    app.selectbox(key="model").set_value("other").run()
    assert not app.error
    assert sum('class="fer-bars"' in one.value for one in app.markdown) == 1


@pytest.mark.parametrize("page", ["analyze", "live", "evaluate", "train", "dataset"])
def test_every_page_opens_although_all_models_are_damaged(
    home: Settings, open_page: OpenPage, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamlit_webrtc.component.get_this_session_info", lambda: None)
    for name in ("small", "other"):
        for file in ("model.onnx", "bundle.json"):
            (home.models_root / name / file).write_bytes(b"{")
    app = open_page(page)
    sentences = messages(app)
    if page in ("analyze", "live", "evaluate"):
        assert any("small" in sentence or "no model" in sentence for sentence in sentences)


@pytest.mark.parametrize("file", ["", "faces.npz", "dataset.json"])
def test_a_dataset_removed_while_its_page_is_open_is_reported(
    home: Settings, open_page: OpenPage, file: str
) -> None:
    app = open_page("dataset")
    assert [metric.value for metric in app.metric][:1] == ["14"]
    if file:
        (home.data_root / "kept" / file).unlink()
    else:
        shutil.rmtree(home.data_root / "kept")
    app.run()
    sentences = [*messages(app), *(element.value for element in app.markdown)]
    wanted = "import it again" if file == "faces.npz" else "There is no dataset yet"
    assert any(wanted in sentence for sentence in sentences)
