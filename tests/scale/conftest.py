"""Ray without tokens: a token of this user must not change the tests."""

import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def _no_token() -> None:
    """Before the first import of Ray, which reads the variable then."""
    os.environ["RAY_AUTH_MODE"] = "disabled"
