"""Values that the script sets for widgets."""

from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from fer_studio.ui import widget_values


def draw() -> None:
    import streamlit as st

    from fer_studio.ui.widget_values import set_widget_value

    set_widget_value("kind", st.session_state.get("kind", "b"))
    st.selectbox("Kind", ["a", "b", "c"], key="kind")


def is_value_sent(app: AppTest) -> bool:
    (box,) = app.selectbox
    return bool(box.proto.set_value)


def test_a_value_is_sent_to_the_browser_until_the_widget_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = [100.0]
    clock = SimpleNamespace(monotonic=lambda: seconds[-1])
    monkeypatch.setattr(widget_values, "time", clock)
    app = AppTest.from_function(draw).run()
    for later in (101.0, 114.0):
        seconds.append(later)
        app.run()
        assert is_value_sent(app)
        assert app.selectbox[0].value == "b"
    seconds.append(116.0)
    app.run()
    assert not is_value_sent(app)
    # What the user has selected stays.
    app.selectbox[0].select("c").run()
    assert app.selectbox[0].value == "c"
    assert not is_value_sent(app)


def test_another_value_is_always_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(widget_values, "_LOADING_SECONDS", 0.0)

    def draw_changed() -> None:
        import streamlit as st

        from fer_studio.ui.widget_values import set_widget_value

        set_widget_value("kind", st.session_state.get("wanted", "b"))
        st.selectbox("Kind", ["a", "b", "c"], key="kind")

    app = AppTest.from_function(draw_changed).run()
    assert is_value_sent(app)
    app.run()
    assert not is_value_sent(app)
    app.session_state["wanted"] = "c"
    app.run()
    assert is_value_sent(app)
    assert app.selectbox[0].value == "c"
