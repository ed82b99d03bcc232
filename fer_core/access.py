"""Roles and permissions of visitors.

Without a configuration there is no login, and every visitor may do everything. With a configuration
in Streamlit's ``secrets.toml``, visitors log in with an identity provider, and their e-mail address
determines their role::

    [access]
    editors = ["ada@example.org"]
    viewers = ["*@example.org"]

If the configuration is invalid, the app is closed: no visitor may do anything. It is also closed if
there is no configuration although FER_STUDIO_LOGIN is "required". This module does not perform the
login: it receives the claims of the identity provider.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any
from urllib.parse import urlsplit

from fer_core.errors import InputError
from fer_core.settings import LOGIN_VARIABLE, LoginSetting


class Role(IntEnum):
    """What a visitor may do. A higher role includes the lower roles.

    A viewer may open all pages except ``EDITOR_PAGES``. An editor may also change datasets,
    decisions about images, runs and models.
    """

    NONE = 0
    VIEWER = 1
    EDITOR = 2


#: Pages for editors only.
EDITOR_PAGES = frozenset({"dataset", "train"})

#: Streamlit's name for a provider that is configured in ``[auth]`` instead of ``[auth.NAME]``.
DEFAULT_PROVIDER = "default"

_ACCESS_SECTION = "[access] in secrets.toml"
#: The role that each list of e-mail addresses gives, the highest role first.
_ROLE_BY_LIST = {"editors": Role.EDITOR, "viewers": Role.VIEWER}
_ACCESS_KEYS = {*_ROLE_BY_LIST, "login_hours", "trusted_issuers"}
_DEFAULT_LOGIN_HOURS = 24.0
#: Maximum of ``login_hours``: Streamlit's own cookie expires after 30 days.
_MAX_LOGIN_HOURS = 720.0
#: Minimum length of the cookie secret. An attacker who guesses the secret can forge logins.
_MIN_COOKIE_SECRET_LENGTH = 32
_PROVIDER_KEYS = ("client_id", "client_secret", "server_metadata_url")
_LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
#: E-mail addresses. Addresses with quotation marks are rejected, because they may contain a second
#: "@".
_ADDRESS_PATTERN = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+")
#: Entries for all e-mail addresses of a domain, such as ``*@example.org``.
_DOMAIN_PATTERN = re.compile(r"\*@[A-Za-z0-9.-]*[A-Za-z0-9-]")


@dataclass(frozen=True)
class Admission:
    """What a visitor may do now, and the reason if the visitor may do nothing.

    Attributes:
        role: The visitor's role.
        requires_login: False if every visitor may do everything without a login. True otherwise,
            also while the app is closed.
        email: The visitor's e-mail address; empty if it is not known.
        is_logged_in: True if an identity provider has identified the visitor.
        providers: The identity providers to log in with. Empty if the visitor is a viewer or an
            editor, or if login is not possible.
        reason: Why the visitor has no role, as a sentence; empty for viewers and editors.
    """

    role: Role
    requires_login: bool
    email: str = ""
    is_logged_in: bool = False
    providers: tuple[str, ...] = ()
    reason: str = ""

    def may_open(self, page: str) -> bool:
        """Return True if the visitor may use a page."""
        return self.role >= (Role.EDITOR if page in EDITOR_PAGES else Role.VIEWER)

    def require(self, role: Role) -> None:
        """Check that the visitor has this role or a higher one.

        Call this method when the visitor performs an action, not when the page is drawn, because
        the login may expire in between.

        Raises:
            InputError: The visitor's role is lower.
        """
        if self.role >= role:
            return
        if self.role is Role.NONE:
            raise InputError(f"Nothing was changed: {self.reason}")
        raise InputError(
            f"Nothing was changed: this requires the editor role, and {self.email} is a "
            f"{self.role.name.lower()}; ask the administrator of this server for the role."
        )


@dataclass(frozen=True)
class AccessRules:
    """A valid access configuration.

    Attributes:
        editors: The e-mail addresses of the editors in lower case; ``*@domain`` stands for all
            addresses of a domain.
        viewers: The e-mail addresses of the viewers, in the same form. An address in both lists
            belongs to an editor.
        providers: The identity providers to log in with.
        login_hours: How long a login is valid, in hours.
        trusted_issuers: Providers (values of the claim ``iss``) whose e-mail addresses are accepted
            without the claim ``email_verified``.
    """

    editors: tuple[str, ...]
    viewers: tuple[str, ...]
    providers: tuple[str, ...]
    login_hours: float = _DEFAULT_LOGIN_HOURS
    trusted_issuers: tuple[str, ...] = ()

    def admit(self, claims: Mapping[str, Any], now: float) -> Admission:
        """Determine the role of a visitor.

        Args:
            claims: The OpenID Connect claims, and ``is_logged_in``. Every value may be missing or
                of any type.
            now: The time, in seconds since 1970.
        """
        claim = claims.get("email")
        email = claim if isinstance(claim, str) and _ADDRESS_PATTERN.fullmatch(claim) else ""
        # An invalid login counts as no login, so that the app offers to log in again.
        reason = self._login_error(claims, now)
        if reason:
            return self._refused(reason, email, is_logged_in=False)
        if not email:
            reason = "Your login has no valid e-mail address; log in with an account that has one."
        elif not self._is_verified(claims):
            reason = (
                f"Your identity provider does not confirm that {email} is verified; verify the "
                "address there and log in again."
            )
        elif self._role_of(email) is Role.NONE:
            reason = (
                f"You are logged in as {email}, which has no role on this server; ask its "
                "administrator for one, or log out and use another account."
            )
        if reason:
            return self._refused(reason, email, is_logged_in=True)
        return Admission(self._role_of(email), True, email, is_logged_in=True)

    def _refused(self, reason: str, email: str, *, is_logged_in: bool) -> Admission:
        return Admission(Role.NONE, True, email, is_logged_in, self.providers, reason)

    def _login_error(self, claims: Mapping[str, Any], now: float) -> str:
        """Return why the login is not valid; an empty string if the login is valid."""
        if claims.get("is_logged_in") is not True:
            return "This server requires a login; log in to continue."
        issued = claims.get("iat")
        if isinstance(issued, bool) or not isinstance(issued, (int, float)):
            return "Your login does not say when it was issued; log in again."
        # Comparisons with NaN are False, so "not <=" also rejects NaN.
        if not now - issued <= 3600 * self.login_hours:
            return f"Your login is older than {self.login_hours:g} hours; log in again."
        return ""

    def _is_verified(self, claims: Mapping[str, Any]) -> bool:
        # Some providers send the string "true" instead of a boolean.
        if "email_verified" in claims:
            return claims["email_verified"] is True or claims["email_verified"] == "true"
        return claims.get("iss") in self.trusted_issuers

    def _role_of(self, email: str) -> Role:
        # ``_ADDRESS_PATTERN`` has accepted only ASCII characters. In other addresses, lower() could
        # turn a letter such as the Kelvin sign into an ASCII letter, and the result could be the
        # address of another person.
        email = email.lower()
        any_address_of_domain = f"*@{email.rpartition('@')[2]}"
        for list_name, role in _ROLE_BY_LIST.items():
            entries = getattr(self, list_name)
            if email in entries or any_address_of_domain in entries:
                return role
        return Role.NONE


def decide_admission(
    secrets: Mapping[str, Any], login: LoginSetting, claims: Mapping[str, Any], now: float
) -> Admission:
    """Determine what a visitor may do: nothing if the configuration is invalid.

    Args:
        secrets: The content of ``secrets.toml``.
        login: Whether a login is required, see ``Settings.login``.
        claims: See ``AccessRules.admit``.
        now: See ``AccessRules.admit``.
    """
    try:
        rules = read_rules(secrets, login)
    except InputError as error:
        return closed_admission(str(error))
    if rules is None:
        return Admission(Role.EDITOR, requires_login=False)
    return rules.admit(claims, now)


def closed_admission(reason: str) -> Admission:
    """Return the admission of every visitor while the app is closed.

    Args:
        reason: Why the app is closed, as a sentence.
    """
    return Admission(
        Role.NONE,
        requires_login=True,
        reason=f"This server is closed until its administrator fixes the configuration: {reason}",
    )


def read_rules(secrets: Mapping[str, Any], login: LoginSetting) -> AccessRules | None:
    """Read and check the configuration.

    Error messages never contain a value of the configuration, because it may be a secret.

    Args:
        secrets: The content of ``secrets.toml``.
        login: Whether a login is required, see ``Settings.login``.

    Returns:
        The rules, or None if no login is configured.

    Raises:
        InputError: The configuration is incomplete, contradictory or invalid.
    """
    if "access" not in secrets and "auth" not in secrets:
        if login == "required":
            raise InputError(
                f"{LOGIN_VARIABLE} is 'required', but secrets.toml has neither [auth] nor "
                "[access]; add them."
            )
        return None
    if login == "none":
        raise InputError(
            f"{LOGIN_VARIABLE} is 'none', but secrets.toml configures a login with [auth] or "
            f"[access]; unset {LOGIN_VARIABLE}, or remove both sections."
        )
    if "access" not in secrets:
        raise InputError(
            "secrets.toml has [auth] but no [access] that names editors and viewers; add it."
        )
    access = secrets["access"]
    if not isinstance(access, Mapping):
        raise InputError(f"{_ACCESS_SECTION} should be a table that begins with the line [access].")
    unknown = sorted(set(access) - _ACCESS_KEYS)
    if unknown:
        raise InputError(
            f"{_ACCESS_SECTION} has the unknown key {unknown[0]!r}; use only "
            f"{', '.join(sorted(_ACCESS_KEYS))}."
        )
    if not set(access) & set(_ROLE_BY_LIST):
        raise InputError(
            f"{_ACCESS_SECTION} names neither editors nor viewers; add a list of addresses."
        )
    if "auth" not in secrets:
        raise InputError("secrets.toml has [access] but no [auth] to log in with; add it.")
    return AccessRules(
        editors=_parse_addresses(access, "editors"),
        viewers=_parse_addresses(access, "viewers"),
        providers=_parse_providers(secrets["auth"]),
        login_hours=_parse_hours(access.get("login_hours", _DEFAULT_LOGIN_HOURS)),
        trusted_issuers=_parse_issuers(access.get("trusted_issuers", [])),
    )


def _parse_addresses(access: Mapping[str, Any], key: str) -> tuple[str, ...]:
    if key not in access:
        return ()
    entries = access[key]
    if not isinstance(entries, Sequence) or isinstance(entries, str) or not entries:
        raise InputError(
            f"{key} in {_ACCESS_SECTION} should be a list of at least one address, such as "
            '["ada@example.org", "*@example.org"].'
        )
    for number, entry in enumerate(entries, start=1):
        is_single_address = (
            isinstance(entry, str) and "*" not in entry and _ADDRESS_PATTERN.fullmatch(entry)
        )
        is_domain = isinstance(entry, str) and _DOMAIN_PATTERN.fullmatch(entry)
        if not is_single_address and not is_domain:
            raise InputError(
                f"Entry {number} of {key} in {_ACCESS_SECTION} should be an address such as "
                "ada@example.org, or *@example.org for all addresses of a domain."
            )
    return tuple(entry.lower() for entry in entries)


def _parse_hours(value: object) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not 0 < value <= _MAX_LOGIN_HOURS
    ):
        raise InputError(
            f"login_hours in {_ACCESS_SECTION} should be a number above 0 and at most "
            f"{_MAX_LOGIN_HOURS:.0f}."
        )
    return float(value)


def _parse_issuers(value: object) -> tuple[str, ...]:
    if (
        isinstance(value, str)
        or not isinstance(value, Sequence)
        or not all(_is_secure_url(issuer) for issuer in value)
    ):
        raise InputError(
            f"trusted_issuers in {_ACCESS_SECTION} should be a list of addresses that begin with "
            "https://, each identical to the 'iss' of the provider's tokens."
        )
    return tuple(value)


def _parse_providers(auth: object) -> tuple[str, ...]:
    """Return the names of the identity providers.

    Raises:
        InputError: A provider is not configured completely, or a value in ``[auth]`` is not valid.
    """
    if not isinstance(auth, Mapping):
        raise InputError("[auth] in secrets.toml should be a table that begins with [auth].")
    address = auth.get("redirect_uri")
    if not _is_secure_url(address) or not str(address).endswith("/oauth2callback"):
        raise InputError(
            "redirect_uri in [auth] in secrets.toml should be the app's address followed by "
            "/oauth2callback, and it should begin with https:// unless the host is localhost."
        )
    secret = auth.get("cookie_secret")
    if not isinstance(secret, str) or len(secret) < _MIN_COOKIE_SECRET_LENGTH:
        raise InputError(
            "cookie_secret in [auth] in secrets.toml should be at least "
            f"{_MIN_COOKIE_SECRET_LENGTH} random characters; make one with 'python -c \"import "
            "secrets; print(secrets.token_hex(32))\"'."
        )
    sections = {
        name: value
        for name, value in auth.items()
        if isinstance(value, Mapping) and name != "client_kwargs"
    }
    if any(key in auth for key in _PROVIDER_KEYS):
        sections = {DEFAULT_PROVIDER: auth} | sections
    if not sections:
        raise InputError(
            f"[auth] in secrets.toml names no identity provider; add {', '.join(_PROVIDER_KEYS)}."
        )
    for name, section in sections.items():
        where = "[auth]" if section is auth else f"[auth.{name}]"
        if "_" in name:
            raise InputError(
                f"{where} in secrets.toml has a name with an underscore, and Streamlit cannot log "
                "in with such a provider; rename it."
            )
        for key in _PROVIDER_KEYS:
            value = section.get(key)
            is_valid = _is_secure_url(value) if key == "server_metadata_url" else value
            if not isinstance(value, str) or not is_valid:
                expected = (
                    "an address that begins with https://" if "url" in key else "a non-empty string"
                )
                raise InputError(f"{key} in {where} in secrets.toml should be {expected}.")
    return tuple(sections)


def _is_secure_url(value: object) -> bool:
    """Return True for an https:// URL, or an http:// URL of this machine."""
    if not isinstance(value, str):
        return False
    try:
        # Streamlit replaces "{port}" in redirect_uri by the port of the server.
        parts = urlsplit(value.replace("{port}", "8501"))
        return bool(parts.hostname) and (
            parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOCAL_HOSTS)
        )
    except ValueError:
        return False
