"""The frame around every page: its configuration, the navigation, who may see it, and the list."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from fer_studio.paths import PAGES_FOLDER
from fer_studio.ui.access import admission, show_person, show_refusal, show_warning_without_login

_ASSETS = Path(__file__).parent / "assets"

_INSIDE_FRAME = "_fer_studio_inside_frame"


@dataclass(frozen=True)
class PageEntry:
    """A page of the app.

    Attributes:
        name: Its file under ``pages/`` and its address.
        title: What navigation and browser call it.
        help: What it is for, in one or two sentences.
    """

    name: str
    title: str
    help: str


#: In the order of the navigation; ``/`` leads to the first one.
PAGES = (
    PageEntry(
        "analyze",
        "Analyze photos",
        "Upload photos or take a snapshot, and see every face with its seven emotion "
        "probabilities. Results can be downloaded.",
    ),
    PageEntry(
        "live",
        "Live",
        "Start the webcam, and every face in its picture carries its emotion, at the camera's "
        "speed.",
    ),
    PageEntry(
        "dataset",
        "Dataset",
        "Import face data, see what is in them and what is wrong with them, and decide what a "
        "training leaves out.",
    ),
    PageEntry(
        "train",
        "Train",
        "Choose data and a recipe, start a training that outlives the page, watch its curves, "
        "compare runs, and put the best model to use.",
    ),
    PageEntry(
        "evaluate",
        "Evaluate",
        "See how good a model is, where it fails and whether its probabilities can be believed, "
        "with the faces behind every figure.",
    ),
)


def run_app() -> None:
    """Configure the page, draw the navigation and run the page that is asked for."""
    # Without icons: Streamlit's browser side would fetch each page's icon from the internet, to
    # show it in the browser's tab.
    visitor = admission()
    pages = [
        st.Page(
            # Whole, because Streamlit would look beside the script that it was started with.
            PAGES_FOLDER / f"{entry.name}.py",
            title=entry.title,
            help=entry.help,
            url_path=entry.name,
            # What is not for the visitor has its address, where it says so.
            visibility="visible" if visitor.may_open(entry.name) else "hidden",
        )
        for entry in PAGES
    ]

    def go_to_first_page() -> None:
        st.switch_page(pages[0])

    # A default page has no address of its own beside "/". This one only leads on, so that the
    # first page answers at both.
    start = st.Page(go_to_first_page, title="Start", default=True, visibility="hidden")
    page = st.navigation([start, *pages])
    st.set_page_config(
        page_title=f"{page.title} · FER Studio",
        page_icon=str(_ASSETS / "icon.svg"),
        layout="wide",
    )
    st.logo(str(_ASSETS / "wordmark.svg"), icon_image=str(_ASSETS / "icon.svg"), size="large")
    show_person(visitor)
    st.session_state[_INSIDE_FRAME] = True
    try:
        page.run()
    finally:
        st.session_state[_INSIDE_FRAME] = False
        _start_waiting_trainings()


@st.cache_resource(show_spinner=False)
def _start_waiting_trainings() -> None:
    """Go on with a queue that was left standing, and clear what was left half written.

    Once in the server's life.

    Behind the first page, which does not wait for it.
    """
    # Only now: most pages do without.
    from fer_core.errors import InputError
    from fer_core.settings import load_settings
    from fer_core.stale_files import remove_stale_temp_files
    from fer_core.training.queue import start_pending_runs

    try:
        remove_stale_temp_files(load_settings())
        start_pending_runs(load_settings())
    except InputError as error:
        # The train page tells it to whoever looks there.
        logging.getLogger(__name__).warning("the queue of trainings stands still: %s", error)


def open_page(name: str) -> PageEntry:
    """Begin a page: every page file calls this first.

    Streamlit also finds page files by their folder: on a fresh server, the first request for a
    page's own address runs its file without ``app.py``. The frame is then drawn from here, so that
    the page looks the same either way. Whoever may not open the page is told so, and the run ends
    here.

    Returns:
        The page's own entry.
    """
    if not st.session_state.get(_INSIDE_FRAME):
        run_app()
        st.stop()
    entry = next(entry for entry in PAGES if entry.name == name)
    st.title(entry.title)
    visitor = admission()
    if not visitor.may_open(name):
        show_refusal(visitor)
        show_responsible_use()
        st.stop()
    show_warning_without_login()
    return entry


def show_responsible_use() -> None:
    """Say what the readings are and are not."""
    st.caption(
        "Readings describe how a face looks in one picture, as annotators of web photos would "
        "label it, not what a person feels. Do not use them to decide about people: inferring "
        "emotions at work and in education is banned in the European Union."
    )
