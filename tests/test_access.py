"""Permissions by role, and invalid configurations, which close the app."""

from typing import Any

import pytest

from fer_core.access import EDITOR_PAGES, Admission, Role, decide_admission, read_rules
from fer_core.errors import InputError
from fer_core.settings import LoginSetting

NOW = 1_800_000_000.0
SECRET = "0123456789abcdef0123456789abcdef"
AUTH = {
    "redirect_uri": "https://faces.example.org/oauth2callback",
    "cookie_secret": SECRET,
    "client_id": "studio",
    "client_secret": "geheim",
    "server_metadata_url": "https://login.example.org/.well-known/openid-configuration",
}
ACCESS = {"editors": ["Ada@Example.org"], "viewers": ["*@example.org", "guest@other.net"]}
SECRETS: dict[str, Any] = {"auth": AUTH, "access": ACCESS}


def claims(email: object = "bob@example.org", **others: Any) -> dict[str, Any]:
    return {"is_logged_in": True, "email": email, "email_verified": True, "iat": NOW - 60} | others


def decided(secrets: dict[str, Any] = SECRETS, **others: Any) -> Admission:
    login: LoginSetting = others.pop("login", "as configured")
    return decide_admission(secrets, login, claims(**others), NOW)


def test_without_a_configuration_everything_is_allowed() -> None:
    visitor = decide_admission({}, "as configured", {}, NOW)
    assert visitor == Admission(Role.EDITOR, requires_login=False)
    assert decide_admission({"webrtc": {}}, "none", {}, NOW) == visitor
    visitor.require(Role.EDITOR)


@pytest.mark.parametrize(
    ("email", "role"),
    [
        ("ada@example.org", Role.EDITOR),
        ("ADA@EXAMPLE.ORG", Role.EDITOR),
        ("bob@example.org", Role.VIEWER),
        ("guest@other.net", Role.VIEWER),
        ("other@other.net", Role.NONE),
        ("bob@sub.example.org", Role.NONE),
        ("bob@badexample.org", Role.NONE),
        ("bob@example.org.evil.net", Role.NONE),
        # A second @ in quotes, an address in brackets, what surrounds it.
        ('"bob@evil.net"@example.org', Role.NONE),
        ("bob@evil.net@example.org", Role.NONE),
        ("Bob <bob@example.org>", Role.NONE),
        (" bob@example.org", Role.NONE),
        ("bob@example.org\n", Role.NONE),
        ("*@example.org", Role.VIEWER),  # an odd name, but one of that domain
        # Letters that become plain ones in lower case: the Kelvin sign, the dotted I.
        ("boo\N{KELVIN SIGN}@example.org", Role.NONE),
        ("ada@\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}example.org", Role.NONE),
        ("@example.org", Role.NONE),
        ("", Role.NONE),
        (None, Role.NONE),
        (["ada@example.org"], Role.NONE),
    ],
)
def test_the_address_gives_the_role(email: object, role: Role) -> None:
    visitor = decided(email=email)
    assert visitor.role is role
    assert visitor.is_logged_in
    assert bool(visitor.reason) is (role is Role.NONE)


@pytest.mark.parametrize("page", ["analyze", "live", "dataset", "train", "evaluate"])
def test_pages_by_role(page: str) -> None:
    for_editors = page in ("dataset", "train")
    assert (page in EDITOR_PAGES) is for_editors
    assert decided(email="ada@example.org").may_open(page)
    assert decided(email="bob@example.org").may_open(page) is not for_editors
    assert not decided(email="mallory@evil.net").may_open(page)


@pytest.mark.parametrize(
    ("said", "is_in"),
    [
        ({"email_verified": True}, True),
        ({"email_verified": "true"}, True),
        ({"email_verified": False}, False),
        ({"email_verified": "false"}, False),
        ({"email_verified": 1.5}, False),
        ({"email_verified": None}, False),
        ({}, False),
        ({"iss": "https://login.example.org/other"}, False),
        ({"iss": ["https://login.example.org/tenant"]}, False),
        ({"iss": "https://login.example.org/tenant"}, True),
        # An address that the provider does not confirm is refused, for every provider.
        ({"iss": "https://login.example.org/tenant", "email_verified": False}, False),
    ],
)
def test_only_verified_addresses_count(said: dict[str, Any], is_in: bool) -> None:
    secrets = {
        "auth": AUTH,
        "access": ACCESS | {"trusted_issuers": ["https://login.example.org/tenant"]},
    }
    known = {key: value for key, value in claims().items() if key != "email_verified"} | said
    visitor = decide_admission(secrets, "as configured", known, NOW)
    assert visitor.role is (Role.VIEWER if is_in else Role.NONE)
    if not is_in:
        assert "verified" in visitor.reason
        assert visitor.is_logged_in  # what helps is another account: the way out is offered


@pytest.mark.parametrize("value", [False, None, "true", 1])
def test_a_visitor_without_a_login_has_no_role(value: object) -> None:
    visitor = decided(is_logged_in=value)
    assert visitor.role is Role.NONE
    assert not visitor.is_logged_in
    assert visitor.providers == ("default",)
    assert visitor.reason == "This server requires a login; log in to continue."


@pytest.mark.parametrize(
    ("since", "is_in"),
    [
        (NOW, True),
        (NOW - 2 * 3600, True),
        (NOW - 2 * 3600 - 1, False),
        (float("nan"), False),
        (None, False),
        ("now", False),
        (True, False),
    ],
)
def test_a_login_expires(since: object, is_in: bool) -> None:
    secrets = {"auth": AUTH, "access": ACCESS | {"login_hours": 2}}
    visitor = decided(secrets, iat=since)
    assert visitor.role is (Role.VIEWER if is_in else Role.NONE)
    assert bool(visitor.providers) is not is_in


def test_a_login_is_valid_for_a_day_by_default() -> None:
    assert decided(iat=NOW - 24 * 3600).role is Role.VIEWER
    assert decided(iat=NOW - 24 * 3600 - 1).role is Role.NONE


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"auth": AUTH}, "no [access]"),
    ({"access": ACCESS}, "no [auth]"),
    ({"auth": AUTH, "access": "ada@example.org"}, "should be a table"),
    ({"auth": AUTH, "access": {}}, "neither editors nor viewers"),
    ({"auth": AUTH, "access": {"login_hours": 2}}, "neither editors nor viewers"),
    ({"auth": AUTH, "access": ACCESS | {"editor": []}}, "unknown key 'editor'"),
    ({"auth": AUTH, "access": {"editors": []}}, "at least one address"),
    ({"auth": AUTH, "access": ACCESS | {"viewers": []}}, "at least one address"),
    ({"auth": AUTH, "access": {"editors": "ada@example.org"}}, "should be a list"),
    ({"auth": AUTH, "access": {"editors": {"ada@example.org": 1}}}, "should be a list"),
    ({"auth": AUTH, "access": {"editors": ["ada@example.org", "*"]}}, "Entry 2 of editors"),
    ({"auth": AUTH, "access": {"viewers": ["*@*"]}}, "Entry 1 of viewers"),
    ({"auth": AUTH, "access": {"viewers": ["*@"]}}, "Entry 1 of viewers"),
    ({"auth": AUTH, "access": {"viewers": ["a*@example.org"]}}, "Entry 1 of viewers"),
    ({"auth": AUTH, "access": {"viewers": ["ada"]}}, "Entry 1 of viewers"),
    ({"auth": AUTH, "access": {"viewers": [7]}}, "Entry 1 of viewers"),
    ({"auth": AUTH, "access": ACCESS | {"login_hours": 0}}, "login_hours"),
    ({"auth": AUTH, "access": ACCESS | {"login_hours": "24"}}, "login_hours"),
    ({"auth": AUTH, "access": ACCESS | {"login_hours": float("nan")}}, "login_hours"),
    ({"auth": AUTH, "access": ACCESS | {"login_hours": True}}, "login_hours"),
    ({"auth": AUTH, "access": ACCESS | {"trusted_issuers": ["http://a.org"]}}, "trusted_issuers"),
    ({"auth": AUTH, "access": ACCESS | {"trusted_issuers": "https://a.org"}}, "trusted_issuers"),
    ({"auth": "yes", "access": ACCESS}, "[auth] in secrets.toml should be a table"),
    ({"auth": {}, "access": ACCESS}, "redirect_uri"),
    ({"auth": AUTH | {"redirect_uri": "https://faces.example.org/"}, "access": ACCESS}, "redirect"),
    (
        {"auth": AUTH | {"redirect_uri": "http://a.org/oauth2callback"}, "access": ACCESS},
        "https:// unless the host is localhost",
    ),
    ({"auth": AUTH | {"cookie_secret": "short"}, "access": ACCESS}, "cookie_secret"),
    ({"auth": AUTH | {"cookie_secret": 7}, "access": ACCESS}, "cookie_secret"),
    ({"auth": AUTH | {"client_secret": ""}, "access": ACCESS}, "client_secret in [auth]"),
    (
        {"auth": AUTH | {"server_metadata_url": "http://login.org/"}, "access": ACCESS},
        "server_metadata_url in [auth]",
    ),
    (
        {"auth": {key: AUTH[key] for key in ("redirect_uri", "cookie_secret")}, "access": ACCESS},
        "names no identity provider",
    ),
    ({"auth": AUTH | {"google": {"client_id": "a"}}, "access": ACCESS}, "in [auth.google]"),
    ({"auth": AUTH | {"my_own": dict(AUTH)}, "access": ACCESS}, "with an underscore"),
]


@pytest.mark.parametrize(("secrets", "said"), WRONG)
def test_an_invalid_configuration_closes_the_app(secrets: dict[str, Any], said: str) -> None:
    visitor = decided(secrets, email="ada@example.org")
    assert visitor.role is Role.NONE
    assert visitor.requires_login
    assert visitor.providers == ()
    assert said in visitor.reason
    assert "\n" not in visitor.reason
    for value in (SECRET, "geheim", "short", "ada@example.org", "login.org"):
        # The hint contains an example address.
        hint = '["ada@example.org", "*@example.org"]'
        hint_of_one = "an address such as ada@example.org"
        shown = visitor.reason.replace(hint, "").replace(hint_of_one, "")
        assert value not in shown


@pytest.mark.parametrize(
    ("secrets", "login", "said"),
    [
        ({}, "required", "FER_STUDIO_LOGIN is 'required'"),
        ({"webrtc": {}}, "required", "FER_STUDIO_LOGIN is 'required'"),
        (SECRETS, "none", "FER_STUDIO_LOGIN is 'none'"),
        ({"auth": AUTH}, "none", "FER_STUDIO_LOGIN is 'none'"),
    ],
)
def test_the_variable_and_the_file_must_agree(
    secrets: dict[str, Any], login: LoginSetting, said: str
) -> None:
    visitor = decide_admission(secrets, login, claims("ada@example.org"), NOW)
    assert visitor.role is Role.NONE
    assert said in visitor.reason


def test_a_required_login_that_is_configured_is_accepted() -> None:
    assert decided(login="required", email="ada@example.org").role is Role.EDITOR


def test_several_providers_and_a_login_on_localhost() -> None:
    shared = {"redirect_uri": "http://localhost:{port}/oauth2callback", "cookie_secret": SECRET}
    provider = {key: AUTH[key] for key in ("client_id", "client_secret", "server_metadata_url")}
    auth = shared | {
        "google": provider,
        "school": provider | {"client_kwargs": {"prompt": "login"}},
    }
    rules = read_rules({"auth": auth, "access": ACCESS}, "as configured")
    assert rules is not None
    assert rules.providers == ("google", "school")
    both = shared | provider | {"google": provider, "client_kwargs": {"prompt": "login"}}
    rules = read_rules({"auth": both, "access": ACCESS}, "as configured")
    assert rules is not None
    assert rules.providers == ("default", "google")


def test_an_action_without_the_role_is_refused() -> None:
    decided(email="ada@example.org").require(Role.EDITOR)
    viewer = decided(email="bob@example.org")
    viewer.require(Role.VIEWER)
    with pytest.raises(InputError, match=r"editor role, and bob@example\.org is a viewer;"):
        viewer.require(Role.EDITOR)
    for refused in (decided(email="mallory@evil.net"), decided({"auth": AUTH})):
        with pytest.raises(InputError, match="Nothing was changed"):
            refused.require(Role.VIEWER)
