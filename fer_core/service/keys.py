"""API keys: read from the environment or a file, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from pathlib import Path

from fer_core.errors import InputError
from fer_core.files import read_lines

KEYS_VARIABLE = "FER_STUDIO_API_KEYS"

_MIN_LENGTH = 16
_MAX_LENGTH = 512
_ADVICE = "make a key with 'python -c \"import secrets; print(secrets.token_urlsafe(32))\"'"


class ApiKeys:
    """The valid keys. Only their hashes are kept in memory."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        """Check and hash the keys.

        Raises:
            InputError: A key is too short or too long, or contains a space or a character that
                is not printable ASCII. The message does not contain the key.
        """
        self._hashes = []
        for number, key in enumerate(keys, start=1):
            is_plain = key.isascii() and key.isprintable() and " " not in key
            if not (is_plain and _MIN_LENGTH <= len(key) <= _MAX_LENGTH):
                raise InputError(
                    f"API key {number} should have {_MIN_LENGTH} to {_MAX_LENGTH} letters, digits "
                    f"or punctuation marks; {_ADVICE}."
                )
            self._hashes.append(_hash(key))

    def __bool__(self) -> bool:
        return bool(self._hashes)

    def accepts(self, key: str) -> bool:
        """Return True if a key is valid.

        The time that this takes does not reveal how many characters of the key are correct.
        """
        digest = _hash(key)
        # A list, because any() would end a generator at the first match: the time would then depend
        # on the key.
        matches = [hmac.compare_digest(digest, valid) for valid in self._hashes]
        return any(matches)


def load_keys(environment: Mapping[str, str], file: Path | None = None) -> ApiKeys:
    """Read the keys from ``FER_STUDIO_API_KEYS`` (separated by commas) and from a file.

    Args:
        environment: The environment variables.
        file: Path of a file with one key per line; empty lines and lines that begin with ``#`` are
            ignored. None to read the variable only.

    Raises:
        InputError: The file cannot be read or contains no key, or a key is not valid.
    """
    keys = [key.strip() for key in environment.get(KEYS_VARIABLE, "").split(",") if key.strip()]
    if file is not None:
        lines = read_lines(file, "The keys in", "key")
        file_keys = [line for line in lines if not line.startswith("#")]
        if not file_keys:
            raise InputError(f"{file} contains no API key; {_ADVICE} and add it as a line.")
        keys += file_keys
    return ApiKeys(keys)


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
