"""The login of a shared server: its configuration and its visitors."""

import time
from typing import Any

from streamlit.testing.v1 import AppTest

from fer_core.settings import PROJECT_ROOT

EDITOR, VIEWER = "ada@example.org", "bob@example.org"
SECRETS: dict[str, Any] = {
    "auth": {
        "redirect_uri": "https://faces.example.org/oauth2callback",
        "cookie_secret": "0123456789abcdef0123456789abcdef",
        "client_id": "studio",
        "client_secret": "geheim",
        "server_metadata_url": "https://login.example.org/.well-known/openid-configuration",
    },
    "access": {"editors": [EDITOR], "viewers": ["*@example.org"]},
}


def user(email: str | None) -> dict[str, Any]:
    """The claims of the identity provider; without an address there is no login."""
    if email is None:
        return {"is_logged_in": False}
    return {"is_logged_in": True, "email": email, "email_verified": True, "iat": time.time() - 60}


def open_as(
    email: str | None, page: str, *, secrets: dict[str, Any] = SECRETS, **session: Any
) -> AppTest:
    """``open_as(email, "train", view="Runs")``: a page as this person sees it.

    It runs the page's own file, as the first request on a fresh server does.
    """
    app = AppTest.from_file(str(PROJECT_ROOT / "app.py"), default_timeout=180)
    app.secrets = secrets
    app.user = user(email)
    for key, value in session.items():
        app.session_state[key] = value
    app.switch_page(f"pages/{page}.py").run()
    assert not app.exception, [element.value for element in app.exception]
    return app
