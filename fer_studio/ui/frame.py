"""The frame around every page: configuration, navigation, permissions, and the list of pages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from fer_studio.paths import PAGES_FOLDER
from fer_studio.ui.access import (
    admission,
    is_open_without_login,
    show_refusal,
    show_visitor,
    show_warning_without_login,
)
from fer_studio.ui.address import address_scope, open_address

#: Article 5 (1) (f) of the AI Act.
_AI_ACT = "https://eur-lex.europa.eu/eli/reg/2024/1689/oj#art_5"

ASSETS = Path(__file__).parent / "assets"

#: Session state: True while ``run_app`` runs a page.
_INSIDE_FRAME = "_fer_studio_inside_frame"


@dataclass(frozen=True)
class PageEntry:
    """A page of the app.

    Attributes:
        name: Name of the page's file in ``pages/``, without the suffix.
        title: Title of the page in the navigation and the browser.
        help: Purpose of the page, in one or two sentences.
        heading: The heading of the page; if empty, the title.
    """

    name: str
    title: str
    help: str
    heading: str = ""

    @property
    def url_path(self) -> str:
        """The path in the URL of the page: "/" for the home page, "/NAME" for the others."""
        return "/" if self is PAGES[0] else f"/{self.name}"


#: The pages in the order of the navigation. The first one is the home page.
PAGES = (
    PageEntry(
        "home",
        "Home",
        "What you can start with, and the state of your work: the default model, the datasets and "
        "the last trainings.",
        heading="Facial emotion recognition",
    ),
    PageEntry(
        "analyze",
        "Analyze photos",
        "Upload photos or take a snapshot, and see the emotion probabilities of every face. You "
        "can download the results.",
    ),
    PageEntry(
        "live",
        "Live",
        "Start the webcam: every face is labeled with its emotion, at the camera's frame rate.",
    ),
    PageEntry(
        "video",
        "Video",
        "Analyze videos: the emotions of every person over time, with a timeline, an annotated "
        "video and tables.",
    ),
    PageEntry(
        "dataset",
        "Dataset",
        "Import face images, explore and audit them, and decide which of them a training uses.",
    ),
    PageEntry(
        "train",
        "Train",
        "Choose data and a recipe, start a training in the background, watch its curves, compare "
        "runs, and publish the best model.",
    ),
    PageEntry(
        "evaluate",
        "Evaluate",
        "Measure a model's accuracy and calibration, and see where it fails, with the faces behind "
        "every number.",
    ),
)


def run_app() -> None:
    """Configure the page, draw the navigation and run the requested page."""
    st.set_page_config(
        layout="wide",
        # By default, Streamlit reserves space for a sidebar while the page loads. The page would
        # move when this space is removed.
        initial_sidebar_state="collapsed",
    )
    visitor = admission()
    # Pages have no icons, because the browser would download them from the internet.
    pages = [
        st.Page(
            # The path is absolute, because Streamlit resolves relative ones from its main script.
            PAGES_FOLDER / f"{entry.name}.py",
            title=entry.title,
            help=entry.help,
            url_path=None if entry is PAGES[0] else entry.name,
            default=entry is PAGES[0],
            # A page that the visitor may not use is only hidden from the navigation, so that its
            # URL still works and the page can explain why it is refused.
            visibility="visible" if visitor.may_open(entry.name) else "hidden",
        )
        for entry in PAGES
    ]

    page = st.navigation(pages, position="top")
    st.set_page_config(
        page_title=f"{page.title} · FER Studio",
        page_icon=str(ASSETS / "icon.svg"),
    )
    st.logo(str(ASSETS / "wordmark.svg"), size="large")
    show_visitor(visitor)
    st.session_state[_INSIDE_FRAME] = True
    try:
        with address_scope():
            page.run()
    finally:
        st.session_state[_INSIDE_FRAME] = False


def open_page(name: str) -> DeltaGenerator:
    """Begin a page. Every page file calls this first.

    On a fresh server, the first request for the address of a page runs the page's file without
    ``app.py``, because Streamlit also finds page files by their folder. In this case, this function
    calls ``run_app``, which runs the page's file again, inside the frame. Afterwards, it ends the
    first execution of the file.

    If the visitor may not use the page, this function shows the reason and ends the script.

    Returns:
        The container next to the title, for the main selections of the page.
    """
    if not st.session_state.get(_INSIDE_FRAME):
        run_app()
        st.stop()
    entry = next(entry for entry in PAGES if entry.name == name)
    # The login is checked before the first element is sent. Elements that arrive more than about
    # 20 ms after the first one are drawn later, in a second step.
    visitor = admission()
    may_open = visitor.may_open(name)
    needs_warning = may_open and is_open_without_login(visitor)
    with st.container(
        horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"
    ):
        st.title(entry.heading or entry.title, anchor=False, width="content")
        title_bar = st.container(width="content")
    open_address(name)
    if not may_open:
        show_refusal(visitor)
        show_responsible_use()
        st.stop()
    if needs_warning:
        show_warning_without_login()
    return title_bar


def show_responsible_use() -> None:
    """Show what the predictions mean, and what they must not be used for."""
    # Not st.caption, because the contrast of a link in a caption would be too low.
    st.markdown(
        ":small[Predictions describe how a face looks, not what a person feels. Do not use them to "
        "decide about people. Inferring emotions at work and in education is "
        f"[banned in the European Union]({_AI_ACT}), except for medical or safety reasons.]"
    )
