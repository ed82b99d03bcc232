"""ICE servers from the environment variable and from secrets.toml."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st

from fer_core.errors import InputError
from fer_studio.ui.ice import ICE_VARIABLE, check_ice_servers, load_ice_servers

TURN = {"urls": "turn:turn.example.org:3478?transport=tcp", "username": "u", "credential": "p"}


@pytest.fixture(autouse=True)
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The path of secrets.toml, which does not exist yet."""
    path = tmp_path / "secrets.toml"
    monkeypatch.delenv(ICE_VARIABLE, raising=False)
    original = st.get_option

    def option(key: str) -> Any:
        return [str(path)] if key == "secrets.files" else original(key)

    monkeypatch.setattr("streamlit.runtime.secrets.config.get_option", option)
    monkeypatch.setattr("streamlit.get_option", option)
    st.secrets._reset()
    yield path
    st.secrets._reset()


def test_without_configuration_there_are_no_servers(
    secrets: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    assert load_ice_servers() == []
    assert not caplog.records
    assert capsys.readouterr() == ("", "")


def test_secrets_are_read(secrets: Path) -> None:
    secrets.write_text(
        '[webrtc]\nice_servers = [{ urls = "stun:stun.example.org" }, '
        '{ urls = ["turns:t.example.org:5349"], username = "u", credential = "p" }]\n'
    )
    assert load_ice_servers() == [
        {"urls": ["stun:stun.example.org"]},
        {"urls": ["turns:t.example.org:5349"], "username": "u", "credential": "p"},
    ]


def test_secrets_without_servers_are_fine(secrets: Path) -> None:
    secrets.write_text('[other]\nkey = "value"\n')
    assert load_ice_servers() == []


def test_the_environment_variable_has_priority(
    secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets.write_text('[webrtc]\nice_servers = [{ urls = "stun:stun.example.org" }]\n')
    monkeypatch.setenv(ICE_VARIABLE, json.dumps([TURN]))
    assert load_ice_servers() == [TURN | {"urls": [TURN["urls"]]}]


def test_an_empty_variable_is_ignored(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ICE_VARIABLE, " ")
    assert load_ice_servers() == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[webrtc\n", "not valid TOML"),
        ('webrtc = "stun:a"\n', "should be a table"),
        ('[webrtc]\nice_servers = "stun:a"\n', "should be a list"),
    ],
)
def test_invalid_secrets_give_one_sentence(secrets: Path, content: str, said: str) -> None:
    secrets.write_text(content)
    with pytest.raises(InputError, match=said) as caught:
        load_ice_servers()
    assert "secrets.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_variable_with_invalid_json_is_named(
    secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ICE_VARIABLE, "stun:stun.example.org")
    with pytest.raises(InputError, match=f"{ICE_VARIABLE} should be JSON"):
        load_ice_servers()


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("stun:a.example.org", "should have the key 'urls'"),
        ({}, "should have the key 'urls'"),
        ({"urls": []}, "at least one address"),
        ({"urls": 3}, "at least one address"),
        ({"urls": "https://example.org"}, "has the address 'https://example.org'"),
        ({"urls": "stun:a.example.org?transport=udp"}, "has the address"),
        ({"urls": ["stun:ok.example.org", 7]}, "has the address 7"),
        ({"url": "stun:a.example.org", "urls": "stun:a.example.org"}, "unknown key 'url'"),
        ({"urls": TURN["urls"]}, "is a TURN server, which needs"),
        (TURN | {"credential": 1234}, "credential that is empty or not a string"),
    ],
)
def test_an_invalid_entry_is_identified_by_its_number(entry: object, said: str) -> None:
    with pytest.raises(InputError, match=r"Entry 2 of here") as caught:
        check_ice_servers([{"urls": "stun:a.example.org"}, entry], "here")
    assert said in str(caught.value)


def test_a_password_is_never_repeated() -> None:
    with pytest.raises(InputError) as caught:
        check_ice_servers([{"username": "u", "credential": "geheim"}], "here")
    assert "geheim" not in str(caught.value)
