"""Login and roles in a real browser, with an identity provider that runs in the test."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from browser.conftest import Server
from browser.helpers import IDLE, LAST_LINE
from browser.identity_provider import CLIENT_ID, IdentityProvider, identity_provider

pytestmark = pytest.mark.browser

ACCOUNTS = {
    "ada": {"email": "ada@example.org", "email_verified": True},
    "bob": {"email": "bob@example.org", "email_verified": True},
    "mallory": {"email": "ada@example.org", "email_verified": False},
}


@pytest.fixture(scope="module")
def provider() -> Iterator[IdentityProvider]:
    with identity_provider(ACCOUNTS) as running:
        yield running


@pytest.fixture(scope="module")
def secrets(provider: IdentityProvider, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("secrets") / "secrets.toml"
    write_secrets(path, provider, editors=["ada@example.org"])
    return path


def write_secrets(path: Path, provider: IdentityProvider, *, editors: list[str]) -> None:
    # By a rename: a running server may read the file at any time.
    new = path.with_name("new.toml")
    new.write_text(
        "[auth]\n"
        'redirect_uri = "http://localhost:{port}/oauth2callback"\n'
        f'cookie_secret = "{"0123456789abcdef" * 4}"\n'
        f'client_id = "{CLIENT_ID}"\n'
        'client_secret = "secret"\n'
        f'server_metadata_url = "{provider.url}/.well-known/openid-configuration"\n'
        f'[access]\neditors = {json.dumps(editors)}\nviewers = ["*@example.org"]\n'
    )
    new.replace(path)


@pytest.fixture(scope="module")
def server(start_server: Callable[..., Server], secrets: Path) -> Server:
    return start_server(options=[f"--secrets.files={secrets}"])


def log_in(page: Page, account: str) -> None:
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name=account).click()
    page.get_by_text(LAST_LINE).wait_for()
    page.locator(IDLE).wait_for()


def expect_links(page: Page, *names: str) -> None:
    expect(page.get_by_test_id("stTopNavLink")).to_have_text(list(names), use_inner_text=True)


def open_path(page: Page, server: Server, path: str) -> None:
    page.goto(server.url + path)
    page.get_by_text(LAST_LINE).wait_for()
    page.locator(IDLE).wait_for()


def test_a_viewer_sees_the_pages_for_viewers_and_logs_out(
    open_page: Callable[..., Page], server: Server
) -> None:
    # On the first request to a server, Streamlit runs the page's file without app.py.
    page = open_page("/train")
    expect(page.get_by_role("heading", name="Train")).to_be_visible()
    expect(page.get_by_text("log in to continue")).to_be_visible()
    expect_links(page)
    log_in(page, "bob")
    expect(page.get_by_text("bob@example.org, viewer")).to_be_visible()
    expect(page.get_by_role("heading", name="Facial emotion recognition")).to_be_visible()
    expect_links(page, "Home", "Analyze photos", "Live", "Video", "Evaluate")
    open_path(page, server, "/train")
    expect(page.get_by_text("This page is for editors")).to_be_visible()
    expect(page.get_by_role("button", name="Start training")).to_have_count(0)
    # The page may change at once; the server deletes the cookie a moment later.
    with page.expect_response(lambda response: "/auth/logout" in response.url):
        page.get_by_role("button", name="Log out").click()
    expect(page.get_by_text("log in to continue")).to_be_visible()
    open_path(page, server, "/evaluate")
    expect(page.get_by_text("log in to continue")).to_be_visible()


def test_an_editor_loses_the_role_without_a_restart(
    open_page: Callable[..., Page], server: Server, secrets: Path, provider: IdentityProvider
) -> None:
    page = open_page("/")
    log_in(page, "ada")
    expect_links(page, "Home", "Analyze photos", "Live", "Video", "Dataset", "Train", "Evaluate")
    page.get_by_test_id("stTopNavLink").filter(has_text="Train").click()
    start = page.get_by_role("button", name="Start training")
    start.wait_for()
    page.locator(IDLE).wait_for()
    write_secrets(secrets, provider, editors=["someone@example.org"])
    other_tab = page.context.new_page()
    deadline = time.monotonic() + 180
    open_path(other_tab, server, "/evaluate")
    while other_tab.get_by_text("ada@example.org, viewer").count() == 0:
        assert time.monotonic() < deadline
        time.sleep(1)  # Streamlit checks the file every five seconds
        open_path(other_tab, server, "/evaluate")
    start.click()
    expect(page.get_by_text("This page is for editors")).to_be_visible()
    assert not list(server.settings.runs_root.glob("*/config.json"))


def test_an_unverified_address_gives_no_role(open_page: Callable[..., Page]) -> None:
    page = open_page("/")
    log_in(page, "mallory")
    expect(page.get_by_text("ada@example.org is verified")).to_be_visible()
    expect(page.get_by_role("button", name="Log out").first).to_be_visible()
    expect_links(page)
    expect(page.get_by_test_id("stFileUploader")).to_have_count(0)
