"""Selections persist across pages and are part of the address."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import pytest
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.testing.v1 import AppTest

from fer_studio.ui import address

Script = Callable[..., AppTest]


def two_pages() -> None:
    """A page with a dataset and a split, and a page that shares the dataset."""
    import streamlit as st

    from fer_studio.ui.address import address_scope, forget, open_address, set_unsaved_results
    from fer_studio.ui.persistent_widgets import (
        persistent_multiselect,
        persistent_range,
        persistent_selectbox,
        persistent_slider,
        persistent_text,
        persistent_toggle,
    )
    from fer_studio.ui.tabs import persistent_tabs

    page = st.session_state.setdefault("page", "first")
    names = st.session_state.setdefault("names", ["demo", "faces"])
    with address_scope():
        open_address(page)
        if page == "first":
            persistent_selectbox(
                "Dataset",
                names,
                key="dataset",
                name="dataset",
                is_always_shown=True,
                format_func=str.upper,
            )
            persistent_selectbox("Split", ["train", "test"], key="split", name="split")
            persistent_toggle("Decided", key="decided", name="decided", default=True)
            persistent_slider("Minimum", 0.0, 1.0, key="minimum", name="minimum", default=0.5)
            persistent_range("Confidence", 0, 100, key="confidence", name="confidence")
            persistent_multiselect(
                "Persons", [1, 2, 3], key="persons", name="persons", default=[1, 2]
            )
            persistent_text("Filter", key="filter", name="filter")
            persistent_tabs([":material/search: All faces", ":material/list: Rows"], key="tab")
            st.button("Forget", on_click=forget, args=("dataset",))
            st.button("Analyze", on_click=set_unsaved_results, args=("photos", "1 2"))
        else:
            persistent_selectbox("Data", names, key="data", name="data", memory_key="dataset")


@pytest.fixture
def open_script() -> Script:
    """``open_script(split="test")``: the first page at this address."""

    def call(**query: str) -> AppTest:
        app = AppTest.from_function(two_pages, default_timeout=180)
        for name, value in query.items():
            app.query_params[name] = value
        return run(app)

    return call


def run(app: AppTest) -> AppTest:
    app.run()
    assert not app.exception, app.exception
    return app


def go(app: AppTest, page: str, **query: str) -> AppTest:
    """Open a page by a link, which replaces the parameters of the address."""
    app.query_params.clear()
    for name, value in query.items():
        app.query_params[name] = value
    app.session_state["page"] = page
    return run(app)


def sent(app: AppTest) -> dict[str, Any]:
    """What the page sends to the component in the browser."""
    (component,) = [one.proto for one in app.main if one.type == "bidi_component"]
    data: dict[str, Any] = json.loads(component.json)
    return data


def query(app: AppTest) -> dict[str, str]:
    return dict(parse_qsl(sent(app)["query"]))


def test_defaults_are_not_in_the_address_unless_they_depend_on_the_server(
    open_script: Script,
) -> None:
    app = open_script()
    assert query(app) == {"dataset": "demo"}
    assert sent(app)["page"] == "first"


def test_an_address_selects_everything_that_it_names_and_is_written_again(
    open_script: Script,
) -> None:
    named = {
        "dataset": "faces",
        "split": "test",
        "decided": "no",
        "minimum": "0.25",
        "confidence": "20|80",
        "persons": "2|3",
        "filter": "a & b",
        "tab": "rows",
    }
    app = open_script(**named)
    assert app.selectbox(key="dataset").value == "faces"
    assert app.selectbox(key="split").value == "test"
    assert app.toggle(key="decided").value is False
    assert app.slider(key="minimum").value == 0.25
    assert app.slider(key="confidence").value == (20, 80)
    assert app.multiselect(key="persons").value == [2, 3]
    assert app.text_input(key="filter").value == "a & b"
    assert app.session_state["tab"] == ":material/list: Rows"
    assert query(app) == named
    assert not app.warning


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("dataset", "gone", "The dataset gone is not available; the page shows DEMO instead."),
        ("split", "../etc", "The split ../etc is not available; the page shows train instead."),
        ("decided", "1", "The decided 1 is not available; the page shows yes instead."),
        ("minimum", "2", "The minimum 2 is not available; the page shows 0.5 instead."),
        ("minimum", "nan", "The minimum nan is not available; the page shows 0.5 instead."),
        ("confidence", "80|20", "confidence 80|20 is not available; the page shows 0 to 100"),
        ("confidence", "", "The confidence  is not available"),
        ("persons", "9", "The persons 9 is not available; the page shows 1, 2 instead."),
        ("tab", "x" * 200, f"The tab {'x' * 60}… is not available; the page shows all-faces"),
    ],
)
def test_an_invalid_value_falls_back_to_the_default_with_one_sentence(
    open_script: Script, name: str, value: str, shown: str
) -> None:
    app = open_script(**{name: value})
    (warning,) = app.warning
    assert shown in warning.value.replace("\\", "")
    assert query(app) == {"dataset": "demo"}
    # The sentence stays until another value is selected.
    run(app)
    assert len(app.warning) == 1
    if name == "dataset":
        app.selectbox(key="dataset").set_value("faces")
        run(app)
        assert not app.warning


def test_a_selection_survives_a_visit_to_another_page_which_may_share_it(
    open_script: Script,
) -> None:
    app = open_script()
    app.selectbox(key="dataset").set_value("faces")
    app.selectbox(key="split").set_value("test")
    app.slider(key="confidence").set_value((10, 90))
    run(app)
    go(app, "second")
    assert app.selectbox(key="data").value == "faces"
    assert query(app) == {"data": "faces"}
    app.selectbox(key="data").set_value("demo")
    run(app)
    go(app, "first")
    assert app.selectbox(key="dataset").value == "demo"
    assert app.selectbox(key="split").value == "test"
    assert app.slider(key="confidence").value == (10, 90)
    # A link that names one selection leaves the others as they are.
    go(app, "second")
    go(app, "first", dataset="faces")
    assert app.selectbox(key="dataset").value == "faces"
    assert app.selectbox(key="split").value == "test"


def test_back_leads_to_the_view_of_the_address_also_where_it_shows_defaults(
    open_script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_script()
    app.selectbox(key="split").set_value("test")
    run(app)
    go(app, "second")

    def context() -> Any:
        found = get_script_run_ctx()
        assert found is not None
        found.is_history_navigation = True
        return found

    with monkeypatch.context() as patched:
        patched.setattr(address, "get_script_run_ctx", context)
        go(app, "first", dataset="demo")
        assert app.selectbox(key="split").value == "train"
        # The same page with another address.
        app.query_params["split"] = "test"
        run(app)
        assert app.selectbox(key="split").value == "test"
    # A click afterwards is not overwritten by the address.
    app.selectbox(key="split").set_value("train")
    run(app)
    assert app.selectbox(key="split").value == "train"


def test_a_removed_object_is_reported_unless_the_user_deleted_it(open_script: Script) -> None:
    app = open_script(dataset="faces")
    app.session_state["names"] = ["demo"]
    run(app)
    assert "The dataset faces is not available" in app.warning[0].value
    app = open_script(dataset="faces")
    app.session_state["names"] = ["demo"]
    app.button[0].click()
    run(app)
    assert not app.warning
    assert app.selectbox(key="dataset").value == "demo"


def test_the_browser_learns_about_unsaved_results_on_every_page(open_script: Script) -> None:
    app = open_script()
    assert not sent(app)["unsaved"]
    app.button[1].click()
    run(app)
    assert sent(app)["unsaved"] == "photos=1+2"
    go(app, "second")
    assert sent(app)["unsaved"] == "photos=1+2"
