"""Fragments that stay in their place."""

from streamlit.testing.v1 import AppTest


def test_a_placed_fragment_has_no_elements_below_it() -> None:
    def page() -> None:
        import streamlit as st

        from fer_studio.ui.fragments import placed_fragment

        def draw(text: str) -> None:
            st.text(text)

        st.text("above")
        placed_fragment(draw, run_every=1.0)("refreshed")
        st.text("below")

    app = AppTest.from_function(page, default_timeout=180).run()
    assert not app.exception
    above, place, below = app.main.children.values()
    assert (above.value, below.value) == ("above", "below")  # type: ignore[union-attr]
    (fragment,) = place.children.values()  # type: ignore[union-attr]
    assert [element.value for element in fragment.children.values()] == ["refreshed"]  # type: ignore[union-attr]
