"""Check the role of a visitor, show why a page is refused, and offer login and logout."""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import streamlit as st

from fer_core.access import DEFAULT_PROVIDER, Admission, Role, closed_admission, decide_admission
from fer_core.errors import InputError
from fer_core.settings import LOGIN_VARIABLE, load_settings
from fer_studio.ui.text import plain_text

_LOG = logging.getLogger(__name__)


def admission() -> Admission:
    """Return the admission of this session's visitor: what the visitor may do now.

    The configuration is read at every call. If the e-mail address of a visitor is removed from the
    configuration, the visitor therefore loses the role with the next click.
    """
    try:
        return decide_admission(_secrets(), load_settings().login, st.user.to_dict(), time.time())
    except InputError as error:
        return closed_admission(str(error))


def may_edit() -> bool:
    """Return True if the visitor may change data, runs and models."""
    return admission().role >= Role.EDITOR


def require_editor() -> None:
    """Make sure that the visitor is an editor.

    Every action that changes something calls this function. To hide its button is not enough: the
    visitor may have lost the role since the page was drawn, and a manipulated client can press a
    button that is not visible.

    Raises:
        InputError: The visitor is not an editor.
    """
    admission().require(Role.EDITOR)


def rerun_if_refused(page: str) -> None:
    """If the visitor may no longer open the page, rerun the whole page, which shows the reason.

    Every fragment calls this function first: a fragment can rerun without the page around it, and
    thus without the page's check of the role.

    Args:
        page: The name of the page, as in ``PAGES``.
    """
    if not admission().may_open(page):
        st.rerun()


def is_private() -> bool:
    """Return True if only this machine can reach the app, and no login is required."""
    return not admission().requires_login and not _is_reachable_by_others()


def _secrets() -> Mapping[str, Any]:
    """Return the content of secrets.toml; empty if there is no such file.

    Raises:
        InputError: The file cannot be read, so its login settings are unknown.
    """
    try:
        return st.secrets.to_dict()
    # Streamlit raises FileNotFoundError, an OSError, for a missing and for a damaged file.
    except (OSError, ValueError) as error:
        existing = [path for path in st.get_option("secrets.files") if _exists(path)]
        if not existing:
            return {}
        raise InputError(
            f"{Path(existing[-1]).name} cannot be read; it should be valid TOML."
        ) from error


def _exists(path: str) -> bool:
    """Return False only if there is certainly no file at the path."""
    try:
        Path(path).lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _is_reachable_by_others() -> bool:
    """Return True if other machines can reach the app, directly or through a proxy."""
    address = st.get_option("server.address")
    if not address or not _is_local(address):
        return True
    # The server accepts only local connections, but a proxy on this machine may forward requests
    # from other machines. The host that such a request asks for is not a local one.
    host = st.context.headers.get("Host")
    return host is not None and not _is_local(urlsplit(f"//{host}").hostname or "")


def _is_local(host: str) -> bool:
    """Return True if a host name or IP address always means the machine itself."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_open_without_login(visitor: Admission) -> bool:
    """Return True if others can reach the app without a login, unless this is intended.

    It is intended if the setting ``login`` is "none".
    """
    return (
        not visitor.requires_login and load_settings().login != "none" and _is_reachable_by_others()
    )


def show_warning_without_login() -> None:
    """Warn that others can reach the app without a login."""
    _log_missing_login()
    st.warning(
        "Others can reach this server without a login: every visitor may import, train and delete. "
        f"Configure a login, or confirm this with `{LOGIN_VARIABLE}=none`; see docs/deploying.md.",
        icon=":material/lock_open:",
    )


# Cached, so that the server logs the message once, not for every page.
@st.cache_resource(show_spinner=False)
def _log_missing_login() -> None:
    _LOG.warning(
        "Others can reach this server without a login: every visitor may import, train and delete. "
        "Configure a login, or confirm this with %s=none; see docs/deploying.md.",
        LOGIN_VARIABLE,
    )


# Cached, so that the server logs each error once, not for every visitor.
@st.cache_resource(show_spinner=False)
def _log_configuration_error(reason: str) -> None:
    _LOG.error("%s", reason)


def show_visitor(visitor: Admission) -> None:
    """Show the visitor's e-mail address and role, with a logout button."""
    if not visitor.is_logged_in:
        return
    with st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center"):
        role = "" if visitor.role is Role.NONE else f", {visitor.role.name.lower()}"
        st.caption(f"{plain_text(visitor.email or 'Logged in')}{role}", width="content")
        _offer_logout("logout")


def _offer_logout(key: str) -> None:
    st.button("Log out", key=key, icon=":material/logout:", on_click=st.logout)


def show_refusal(visitor: Admission) -> None:
    """Show, instead of a page, why the visitor may not use it, and what to do."""
    if visitor.role is not Role.NONE:
        st.info(
            f"This page is for editors; {plain_text(visitor.email)} is a "
            f"{visitor.role.name.lower()} on this server. Ask the administrator of this server for "
            "the editor role.",
            icon=":material/lock:",
        )
        return
    if not visitor.providers:  # the configuration is invalid
        _log_configuration_error(visitor.reason)
        st.error(plain_text(visitor.reason), icon=":material/lock:")
        return
    if visitor.is_logged_in:
        st.warning(plain_text(visitor.reason), icon=":material/lock:")
        _offer_logout("logout_refused")
        return
    st.info(plain_text(visitor.reason), icon=":material/login:")
    for provider in visitor.providers:
        is_default = provider == DEFAULT_PROVIDER
        st.button(
            "Log in" if len(visitor.providers) == 1 else f"Log in with {provider}",
            key=f"login_{provider}",
            type="primary",
            icon=":material/login:",
            on_click=st.login,
            args=() if is_default else (provider,),
        )
