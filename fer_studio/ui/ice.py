"""The configured ICE servers (STUN and TURN), which help the browser and the app to connect.

On localhost, no ICE server is needed. If there is a router or a firewall between browser and app,
set the servers as JSON in the environment variable ``FER_STUDIO_ICE_SERVERS``, which has priority,
or in ``.streamlit/secrets.toml`` like this::

    [webrtc]
    ice_servers = [{ urls = "turn:turn.example.org:3478", username = "…", credential = "…" }]
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import streamlit as st

from fer_core.errors import InputError
from fer_core.files import parse_json

ICE_VARIABLE = "FER_STUDIO_ICE_SERVERS"
_SECRETS_ENTRY = "ice_servers under [webrtc] in secrets.toml"
_EXAMPLE = '[{"urls": "turn:turn.example.org:3478", "username": "…", "credential": "…"}]'
_KEYS = {"urls", "username", "credential"}
#: Matches the addresses that RFC 7064 and RFC 7065 define, except addresses with IPv6 hosts, which
#: aiortc cannot parse.
_ADDRESS = re.compile(
    r"stuns?:[^\s:?]+(:\d{1,5})?|turns?:[^\s:?]+(:\d{1,5})?(\?transport=(udp|tcp))?"
)


def load_ice_servers() -> list[dict[str, Any]]:
    """Read and validate the configuration.

    Returns:
        Servers in the format of the browser's ``RTCPeerConnection``. Each has ``urls`` (a list)
        and, if configured, ``username`` and ``credential``. The list is empty if nothing is
        configured.

    Raises:
        InputError: The configuration is invalid.
    """
    text = os.environ.get(ICE_VARIABLE, "").strip()
    if text:
        try:
            return check_ice_servers(parse_json(text), ICE_VARIABLE)
        except ValueError as error:
            raise InputError(
                f"The environment variable {ICE_VARIABLE} should be JSON such as {_EXAMPLE}, but "
                f"cannot be read ({error}); correct it and start the app again."
            ) from error
    # load_if_toml_exists returns False both if there is no file and if the file is not valid.
    if not st.secrets.load_if_toml_exists():
        existing = [path for path in st.get_option("secrets.files") if Path(path).is_file()]
        if existing:
            raise InputError(
                f"The file {existing[0]} is not valid TOML, so the servers for the webcam cannot "
                "be read from it; correct it or remove it."
            )
        return []
    section = st.secrets.to_dict().get("webrtc", {})
    if not isinstance(section, dict):
        raise InputError(
            "webrtc in secrets.toml should be a table that begins with the line [webrtc]; "
            "correct it."
        )
    return check_ice_servers(section.get("ice_servers", []), _SECRETS_ENTRY)


def check_ice_servers(value: object, source: str) -> list[dict[str, Any]]:
    """Validate a list of ICE servers.

    Args:
        value: The configured value.
        source: Where the value was configured, for messages.

    Returns:
        Servers in the format of ``load_ice_servers``.

    Raises:
        InputError: The list is invalid.
    """
    if not isinstance(value, list):
        raise InputError(f"{source} should be a list such as {_EXAMPLE}; received: {value!r}.")
    return [_checked_server(entry, number, source) for number, entry in enumerate(value, start=1)]


def _checked_server(entry: object, number: int, source: str) -> dict[str, Any]:
    where = f"Entry {number} of {source}"
    if not isinstance(entry, dict) or "urls" not in entry:
        # The message does not quote the entry, because the entry may contain a password.
        raise InputError(f"{where} should have the key 'urls', as in {_EXAMPLE}; correct it.")
    unknown = sorted(set(entry) - _KEYS)
    if unknown:
        raise InputError(
            f"{where} has the unknown key {unknown[0]!r}; allowed are 'urls', 'username' and "
            "'credential'."
        )
    urls = [entry["urls"]] if isinstance(entry["urls"], str) else entry["urls"]
    if not isinstance(urls, list) or not urls:
        raise InputError(f"{where} needs at least one address in 'urls', as in {_EXAMPLE}.")
    for url in urls:
        if not isinstance(url, str) or not _ADDRESS.fullmatch(url):
            raise InputError(
                f"{where} has the address {url!r}; expected: an address such as "
                "'stun:stun.example.org:3478' or 'turn:turn.example.org:3478?transport=tcp'."
            )
    server: dict[str, Any] = {"urls": urls}
    for key in ("username", "credential"):
        if key in entry:
            if not isinstance(entry[key], str) or not entry[key]:
                raise InputError(
                    f"{where} has a {key} that is empty or not a string; write it in quotes."
                )
            server[key] = entry[key]
    if any(url.startswith("turn") for url in urls) and not {"username", "credential"} <= set(
        server
    ):
        raise InputError(
            f"{where} is a TURN server, which needs a 'username' and a 'credential'; add them."
        )
    return server
