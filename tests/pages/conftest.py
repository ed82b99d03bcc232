"""The pages without a browser, in an empty home of their own."""

import gc
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from fer_core.settings import PROJECT_ROOT, Settings

OpenApp = Callable[..., AppTest]


@pytest.fixture(autouse=True, scope="module")
def _quick_app_tests(one_component_scan: None) -> Iterator[None]:
    """Streamlit collects garbage after every run of a script, through all that is in memory.

    Where earlier tests have loaded TensorFlow that takes longer than the page: what is there
    already is left out.
    """
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def empty_home(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Empty folders for the program; caches of earlier tests are cleared."""
    for name in ("data", "runs", "models", "analyses"):
        monkeypatch.setenv(f"FER_STUDIO_{name.upper()}", str(getattr(settings, f"{name}_root")))
    # Streamlit finds pages and assets from here, as after "streamlit run app.py".
    monkeypatch.chdir(PROJECT_ROOT)
    st.cache_resource.clear()
    yield settings
    st.cache_resource.clear()


@pytest.fixture
def home(empty_home: Settings, write_bundle_folder: Callable[..., Path]) -> Settings:
    """The same with two models, "small" being the default."""
    figures = {"validation": {"accuracy": 0.6253}}
    write_bundle_folder(empty_home.models_root / "small", metrics=figures)
    write_bundle_folder(empty_home.models_root / "other", temperature=3.0)
    (empty_home.models_root / "default").write_text("small\n")
    return empty_home


@pytest.fixture
def open_app() -> OpenApp:
    """``open_app()``: the analyze page, opened by a link on a new server.

    ``open_app("click")``: opened by a click on the home page.
    """

    def call(way: str = "link") -> AppTest:
        app = AppTest.from_file(str(PROJECT_ROOT / "app.py"), default_timeout=180)
        if way == "click":
            app.run()
        return app.switch_page("pages/analyze.py").run()

    return call


@pytest.fixture
def address_of() -> Callable[[AppTest], dict[str, str]]:
    """``address_of(app)``: the parameters that the page shows in the browser's address."""

    def call(app: AppTest) -> dict[str, str]:
        sent = [
            json.loads(one.proto.json)
            for one in app.get("bidi_component")
            if one.proto.component_name == "fer_studio_address"
        ]
        # Fragments that were not run alone leave the address to the page.
        (query,) = [one["query"] for one in sent if one["page"]]
        return dict(parse_qsl(query))

    return call
