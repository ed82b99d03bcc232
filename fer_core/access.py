"""Who may do what: the roles of people who have logged in, decided in one place.

Without a configuration there is no login, and whoever reaches the app may do everything. With one,
in Streamlit's ``secrets.toml``, people log in with an identity provider and have the role that the
configuration gives to their e-mail address::

    [access]
    editors = ["ada@example.org"]
    viewers = ["*@example.org"]

A configuration that cannot be understood lets nobody in. Nothing here knows how people log in: it
is given what the provider said about them.
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
    """What a visitor may do; each role may do what the ones before it may.

    A viewer uses what is there: analyze, live, evaluate. An editor also changes it: data,
    decisions about images, trainings, models.
    """

    NOBODY = 0
    VIEWER = 1
    EDITOR = 2


#: Pages for editors; all others are for viewers too.
EDITOR_PAGES = frozenset({"dataset", "train"})

#: The provider that stands in ``[auth]`` itself, as Streamlit calls it.
DEFAULT_PROVIDER = "default"

_SECTION = "[access] in secrets.toml"
_LISTS = {"editors": Role.EDITOR, "viewers": Role.VIEWER}
_KEYS = {*_LISTS, "login_hours", "trusted_issuers"}
_DEFAULT_HOURS = 24.0
#: Streamlit's own cookie lasts 30 days.
_MOST_HOURS = 720.0
#: Whoever guesses the secret can write a login of their own.
_SHORTEST_COOKIE_SECRET = 32
_PROVIDER_KEYS = ("client_id", "client_secret", "server_metadata_url")
_LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
#: Plain addresses only: quoted ones may hold a second "@".
_PERSON = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+")
_EVERYBODY_OF = re.compile(r"\*@[A-Za-z0-9.-]*[A-Za-z0-9-]")


@dataclass(frozen=True)
class Admission:
    """What a visitor may do now, and why not more.

    Attributes:
        role: What they may do.
        is_shared: Whether roles are configured at all, well or not.
        person: The e-mail address; empty as long as it is not known.
        is_logged_in: Whether the provider has said who they are.
        providers: With whom they can log in; empty where nobody can.
        reason: Why they may do nothing, in a sentence; empty if they may do something.
    """

    role: Role
    is_shared: bool
    person: str = ""
    is_logged_in: bool = False
    providers: tuple[str, ...] = ()
    reason: str = ""

    def may_open(self, page: str) -> bool:
        """Whether a page is for them."""
        return self.role >= (Role.EDITOR if page in EDITOR_PAGES else Role.VIEWER)

    def require(self, role: Role) -> None:
        """Make sure that they have a role; to be asked where something is done, not shown.

        Raises:
            InputError: They have a lesser one.
        """
        if self.role >= role:
            return
        if self.role is Role.NOBODY:
            raise InputError(f"Nothing was changed: {self.reason}")
        raise InputError(
            f"Nothing was changed: that is for editors, and {self.person} is a "
            f"{self.role.name.lower()} here; ask whoever runs this server for the role."
        )


@dataclass(frozen=True)
class AccessRules:
    """A configuration that has been checked.

    Attributes:
        editors: Addresses, and ``*@domain`` for all addresses of a domain; lower case.
        viewers: Likewise; who is in both lists is an editor.
        providers: With whom people can log in.
        login_hours: For how long a login counts.
        trusted_issuers: Providers (the claim ``iss``) whose addresses count although they do not
            say whether they have verified them.
    """

    editors: tuple[str, ...]
    viewers: tuple[str, ...]
    providers: tuple[str, ...]
    login_hours: float = _DEFAULT_HOURS
    trusted_issuers: tuple[str, ...] = ()

    def admit(self, claims: Mapping[str, Any], now: float) -> Admission:
        """Decide about a visitor.

        Args:
            claims: What the provider said about them, as OpenID Connect names it, and
                ``is_logged_in``; anything in it may be missing or of any type.
            now: The time, in seconds since 1970.
        """

        email = claims.get("email")
        person = email if isinstance(email, str) and _PERSON.fullmatch(email) else ""
        # Another login would help against these; nothing is lost by going there.
        reason = self._why_log_in(claims, now)
        if reason:
            return self._refused(reason, person, is_logged_in=False)
        if not person:
            reason = (
                "Your login came without an e-mail address that could be read; log in with an "
                "account that has one."
            )
        elif not self._is_verified(claims):
            reason = (
                f"Your identity provider does not say that {person} has been verified; verify the "
                "address there and log in again."
            )
        elif self._role_of(person) is Role.NOBODY:
            reason = (
                f"You are logged in as {person}, which has no role on this server; ask whoever "
                "runs it for one, or log out and take another account."
            )
        if reason:
            return self._refused(reason, person, is_logged_in=True)
        return Admission(self._role_of(person), True, person, is_logged_in=True)

    def _refused(self, reason: str, person: str, *, is_logged_in: bool) -> Admission:
        return Admission(Role.NOBODY, True, person, is_logged_in, self.providers, reason)

    def _why_log_in(self, claims: Mapping[str, Any], now: float) -> str:
        """Why there is no login that counts; empty if there is one."""
        if claims.get("is_logged_in") is not True:
            return "This server is for people who have logged in; log in to go on."
        since = claims.get("iat")
        if isinstance(since, bool) or not isinstance(since, (int, float)):
            return "Your login does not say when it was made; log in again."
        if not now - since <= 3600 * self.login_hours:  # also where it is no number
            return f"Your login is older than {self.login_hours:g} hours; log in again."
        return ""

    def _is_verified(self, claims: Mapping[str, Any]) -> bool:
        # Some providers write the word instead of the value.
        if "email_verified" in claims:
            return claims["email_verified"] is True or claims["email_verified"] == "true"
        return claims.get("iss") in self.trusted_issuers

    def _role_of(self, email: str) -> Role:
        # Plain ASCII by now, so that no foreign letter becomes a plain one in lower case.
        email = email.lower()
        everybody = f"*@{email.rpartition('@')[2]}"
        for name, role in _LISTS.items():
            if email in getattr(self, name) or everybody in getattr(self, name):
                return role
        return Role.NOBODY


def decide(
    secrets: Mapping[str, Any], login: LoginSetting, claims: Mapping[str, Any], now: float
) -> Admission:
    """Decide what a visitor may do; a configuration that is wrong lets nobody in.

    Args:
        secrets: What stands in ``secrets.toml``.
        login: Whether there must be a login, as ``Settings.login``.
        claims: As ``AccessRules.admit``.
        now: Likewise.
    """
    try:
        rules = read_rules(secrets, login)
    except InputError as error:
        return closed(str(error))
    if rules is None:
        return Admission(Role.EDITOR, is_shared=False)
    return rules.admit(claims, now)


def closed(reason: str) -> Admission:
    """Nobody gets in, because of what the sentence says."""
    return Admission(
        Role.NOBODY,
        is_shared=True,
        reason=f"This server is closed until whoever runs it mends its configuration: {reason}",
    )


def read_rules(secrets: Mapping[str, Any], login: LoginSetting) -> AccessRules | None:
    """Read and check the configuration; no message repeats a value, which may be a secret.

    Args:
        secrets: What stands in ``secrets.toml``.
        login: Whether there must be a login.

    Returns:
        None if no login is configured.

    Raises:
        InputError: It is incomplete, contradictory or cannot be understood.
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
            "[access]; remove the one or the other."
        )
    if "access" not in secrets:
        raise InputError(
            "secrets.toml has [auth] but no [access] that names editors and viewers; add it."
        )
    access = secrets["access"]
    if not isinstance(access, Mapping):
        raise InputError(f"{_SECTION} should be a table that begins with the line [access].")
    unknown = sorted(set(access) - _KEYS)
    if unknown:
        raise InputError(
            f"{_SECTION} has the unknown key {unknown[0]!r}; known are {', '.join(sorted(_KEYS))}."
        )
    if not set(access) & set(_LISTS):
        raise InputError(f"{_SECTION} names neither editors nor viewers; add a list of addresses.")
    if "auth" not in secrets:
        raise InputError("secrets.toml has [access] but no [auth] to log in with; add it.")
    return AccessRules(
        editors=_people(access, "editors"),
        viewers=_people(access, "viewers"),
        providers=_providers(secrets["auth"]),
        login_hours=_hours(access.get("login_hours", _DEFAULT_HOURS)),
        trusted_issuers=_issuers(access.get("trusted_issuers", [])),
    )


def _people(access: Mapping[str, Any], key: str) -> tuple[str, ...]:
    if key not in access:
        return ()
    entries = access[key]
    if not isinstance(entries, Sequence) or isinstance(entries, str) or not entries:
        raise InputError(
            f"{key} in {_SECTION} should be a list of at least one address, such as "
            '["ada@example.org", "*@example.org"].'
        )
    for number, entry in enumerate(entries, start=1):
        is_person = isinstance(entry, str) and "*" not in entry and _PERSON.fullmatch(entry)
        if not is_person and not (isinstance(entry, str) and _EVERYBODY_OF.fullmatch(entry)):
            raise InputError(
                f"Entry {number} of {key} in {_SECTION} should be an address such as "
                "ada@example.org, or *@example.org for all of a domain."
            )
    return tuple(entry.lower() for entry in entries)


def _hours(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        value = -1
    if not 0 < value <= _MOST_HOURS:
        raise InputError(
            f"login_hours in {_SECTION} should be a number above 0 and at most {_MOST_HOURS:.0f}."
        )
    return float(value)


def _issuers(value: object) -> tuple[str, ...]:
    issuers = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [""]
    if not all(_is_address(one) for one in issuers):
        raise InputError(
            f"trusted_issuers in {_SECTION} should be a list of addresses that begin with "
            "https://, each exactly as the provider's 'iss'."
        )
    return tuple(issuers)


def _providers(auth: object) -> tuple[str, ...]:
    """With whom people can log in, each of them configured as a whole."""
    if not isinstance(auth, Mapping):
        raise InputError("[auth] in secrets.toml should be a table that begins with [auth].")
    address = auth.get("redirect_uri")
    if not _is_address(address) or not str(address).endswith("/oauth2callback"):
        raise InputError(
            "redirect_uri in [auth] in secrets.toml should be the app's own address followed by "
            "/oauth2callback, with https:// unless it is localhost."
        )
    secret = auth.get("cookie_secret")
    if not isinstance(secret, str) or len(secret) < _SHORTEST_COOKIE_SECRET:
        raise InputError(
            "cookie_secret in [auth] in secrets.toml should be at least "
            f"{_SHORTEST_COOKIE_SECRET} random characters; make one with 'python -c \"import "
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
                f"{where} in secrets.toml should be named without an underscore: Streamlit cannot "
                "log in with it."
            )
        for key in _PROVIDER_KEYS:
            value = section.get(key)
            is_fine = _is_address(value) if key == "server_metadata_url" else value
            if not isinstance(value, str) or not is_fine:
                expected = "an address that begins with https://" if "url" in key else "a text"
                raise InputError(f"{key} in {where} in secrets.toml should be {expected}.")
    return tuple(sections)


def _is_address(value: object) -> bool:
    """Whether it is an address that nobody can listen to or change on its way."""
    if not isinstance(value, str):
        return False
    try:
        parts = urlsplit(value.replace("{port}", "8501"))
        return bool(parts.hostname) and (
            parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOCAL_HOSTS)
        )
    except ValueError:
        return False
