"""A small OpenID Connect provider on localhost; a click on an account logs in."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

CLIENT_ID = "studio"


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class IdentityProvider:
    """The provider's accounts, its key and the issued codes.

    Attributes:
        url: Its address and the issuer of its tokens.
        accounts: The claims of each account, by name.
    """

    def __init__(self, accounts: dict[str, dict[str, Any]]) -> None:
        self.accounts = accounts
        self.url = ""
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._issued: dict[str, tuple[str, str]] = {}

    def document(self) -> dict[str, Any]:
        """The document of OpenID Connect Discovery."""
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def keys(self) -> dict[str, Any]:
        """Its public key."""
        numbers = self._key.public_key().public_numbers()
        modulus = _encoded(numbers.n.to_bytes(256, "big"))
        return {"keys": [{"kty": "RSA", "kid": "one", "alg": "RS256", "n": modulus, "e": "AQAB"}]}

    def accounts_page(self, query: dict[str, str]) -> str:
        """A page with a link for each account, which leads back to the app."""
        links = []
        for name in self.accounts:
            code = _encoded(f"{name}-{len(self._issued)}".encode())
            self._issued[code] = (name, query["nonce"])
            back = urlencode({"code": code, "state": query["state"]})
            links.append(f'<p><a href="{query["redirect_uri"]}?{back}">{name}</a></p>')
        icon = '<link rel="icon" href="data:,">'
        return f"<!doctype html><title>Accounts</title>{icon}{''.join(links)}"

    def token(self, code: str) -> dict[str, Any]:
        """Return the signed identity token for a code, once."""
        name, nonce = self._issued.pop(code)
        now = int(time.time())
        times = {"iat": now, "exp": now + 300}
        claims = {"iss": self.url, "aud": CLIENT_ID, "sub": name, "nonce": nonce} | times
        parts = [{"alg": "RS256", "kid": "one"}, claims | self.accounts[name]]
        text = ".".join(_encoded(json.dumps(part).encode()) for part in parts)
        signature = self._key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        return {
            "id_token": f"{text}.{_encoded(signature)}",
            "access_token": "unused",
            "token_type": "Bearer",
        }


@contextmanager
def identity_provider(accounts: dict[str, dict[str, Any]]) -> Iterator[IdentityProvider]:
    """Run a provider inside a ``with`` block."""
    provider = IdentityProvider(accounts)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            if parts.path == "/authorize":
                self._answer(provider.accounts_page(query), "text/html")
            elif parts.path == "/jwks":
                self._answer(json.dumps(provider.keys()), "application/json")
            else:
                self._answer(json.dumps(provider.document()), "application/json")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            token = provider.token(parse_qs(body)["code"][0])
            self._answer(json.dumps(token), "application/json")

        def _answer(self, text: str, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("localhost", 0), Handler)
    provider.url = f"http://localhost:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
