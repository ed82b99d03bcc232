"""The pages without a browser, in an empty home of their own."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from fer_core.settings import PROJECT_ROOT, Settings

OpenApp = Callable[..., AppTest]


@pytest.fixture(autouse=True, scope="module")
def _component_scan(one_component_scan: None) -> None:
    """Scan for components once, and not for every page."""


@pytest.fixture(autouse=True)
def _native_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw the grid of faces with native elements, because AppTest cannot click in components."""
    monkeypatch.setattr("fer_studio.ui.face_grid._component", draw_faces_natively)


def draw_faces_natively(
    *,
    key: str,
    data: dict[str, Any],
    on_opened_change: Callable[[], None],
    on_toggled_change: Callable[[], None],
) -> SimpleNamespace:
    """Draw the faces as one element, and for each a button and, if it has one, a checkbox."""
    faces = [face for group in data["groups"] for face in group]
    captions = [" · ".join(filter(None, (face["caption"], face["detail"]))) for face in faces]
    opened = None
    if faces:
        st.image(
            [base64.b64decode(face["image"].partition(",")[2]) for face in faces],
            caption=[
                " · ".join(filter(None, (caption, face["mark"])))
                for caption, face in zip(captions, faces, strict=True)
            ],
            alt=[face["name"] for face in faces],
        )
    for caption, face in zip(captions, faces, strict=True):
        row, box = face["row"], f"{key}_box_{face['row']}"
        if st.button(caption, key=f"{key}_open_{row}"):
            opened = row
        if face["isSelected"] is not None:
            st.session_state[box] = face["isSelected"]
            st.checkbox(
                caption,
                key=box,
                on_change=lambda row=row, box=box: _toggle(key, row, box, on_toggled_change),
            )
    return SimpleNamespace(opened=opened)


def _toggle(key: str, row: int, box: str, notice: Callable[[], None]) -> None:
    st.session_state[key] = SimpleNamespace(toggled=[row, st.session_state[box]])
    notice()


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
