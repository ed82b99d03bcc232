"""The service: its documents, limits, keys and metrics, and a server as people start it."""

import asyncio
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from fer_core.bundle import Bundle
from fer_core.errors import InputError
from fer_core.service.application import create_application
from fer_core.service.engine import ClassifyEngine
from fer_core.service.guard import RequestGuard
from fer_core.service.keys import ApiKeys, load_keys
from fer_core.service.monitoring import Metrics
from fer_core.service.options import ServiceLimits, ServiceOptions
from fer_core.service.server import serve
from fer_core.settings import PROJECT_ROOT, Settings
from fer_core.vision.sample import sample_picture

KEY = "a-key-of-the-tests-0123456789"


def picture(size: int = 60) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.arange(size * size * 3, dtype=np.uint8).reshape(size, size, 3)).save(
        buffer, "PNG"
    )
    return buffer.getvalue()


@pytest.fixture
def client(settings: Settings, bundle: Bundle) -> Iterator[Callable[..., TestClient]]:
    """``client(files=2)``: a client of an application with these limits."""
    (settings.models_root / "default").write_text("small\n")
    opened: list[TestClient] = []

    def make(keys: tuple[str, ...] = (), **limits: Any) -> TestClient:
        metrics, options = Metrics(), ServiceOptions(workers=2)
        engine = ClassifyEngine(options, settings, on_batch=metrics.count_batch)
        application = create_application(
            engine, ServiceLimits(**limits), ApiKeys(keys), metrics, only_local=True
        )
        one = TestClient(application, base_url="http://localhost")
        opened.append(one.__enter__())
        return one

    yield make
    for one in opened:
        one.__exit__(None, None, None)


def upload(*contents: bytes) -> list[tuple[str, tuple[str, bytes]]]:
    return [("files", (f"{number}.png", content)) for number, content in enumerate(contents)]


def sentence_of(response: httpx.Response, status: int, code: str) -> str:
    assert response.status_code == status, response.text
    document = response.json()
    assert list(document) == ["error"]
    assert document["error"]["code"] == code
    message = document["error"]["message"]
    assert message.endswith(".") and "\n" not in message
    return str(message)


def test_the_answer_is_the_document_of_classify(
    client: Callable[..., TestClient], run: Callable[..., Any], tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    contents = [sample_picture()[1], picture(), b"no picture", b""]
    for number, content in enumerate(contents):
        (folder / f"{number}.png").write_bytes(content)
    expected = run("classify", folder, "--json").document
    document = client().post("/v1/classify", files=upload(*contents)).json()
    for file in expected["files"]:
        file["file"] = Path(file["file"]).name
        file["error"] = file["error"] and file["error"].replace(f"{folder}{os.sep}", "")
    assert document == expected
    assert [len(file["faces"]) for file in document["files"]] == [1, 1, 0, 0]


def test_models_health_readiness_and_metrics(client: Callable[..., TestClient]) -> None:
    one = client()
    (model,) = one.get("/v1/models").json()
    assert (model["name"], model["default"], len(model["classes"])) == ("small", True, 7)
    assert one.get("/health").json() == {"status": "ok"}
    assert one.get("/ready").json() == {"status": "ready", "models": ["small"]}
    one.post("/v1/classify", files=upload(picture(), b""))
    one.get("/no/such/path")
    metrics = one.get("/metrics").text
    assert 'fer_studio_requests_total{path="/v1/classify",status="200"} 1.0' in metrics
    assert 'fer_studio_requests_total{path="other",status="404"} 1.0' in metrics
    assert 'fer_studio_pictures_total{outcome="ok"} 1.0' in metrics
    assert 'fer_studio_pictures_total{outcome="error"} 1.0' in metrics
    assert "fer_studio_faces_total 1.0" in metrics
    assert "fer_studio_active_requests 0.0" in metrics


def test_a_served_model_and_the_whole_picture_can_be_requested(
    client: Callable[..., TestClient],
) -> None:
    one = client()
    answer = one.post("/v1/classify?model=small&whole=true", files=upload(picture(300)))
    assert [face["box"] for face in answer.json()["files"][0]["faces"]] == [[0, 0, 300, 300]]
    answer = one.post("/v1/classify?model=other", files=upload(picture()))
    assert "'other' is not served; choose one of small" in sentence_of(
        answer, 422, "invalid_request"
    )
    answer = one.post("/v1/classify?whole=maybe", files=upload(picture()))
    assert "'whole'" in sentence_of(answer, 422, "invalid_request")


def test_the_documentation_page_loads_nothing_from_other_servers(
    client: Callable[..., TestClient],
) -> None:
    one = client()
    page = one.get("/docs").text
    assert "http://" not in page and "https://" not in page
    for name in ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"):
        assert f"/docs/files/{name}" in page
        assert one.get(f"/docs/files/{name}").status_code == 200
    document = one.get("/openapi.json").json()
    assert set(document["paths"]) == {"/v1/classify", "/v1/models", "/health", "/ready", "/metrics"}
    body = document["paths"]["/v1/classify"]["post"]["requestBody"]
    assert "multipart/form-data" in body["content"]


@pytest.mark.parametrize(
    ("request_", "status", "code", "words"),
    [
        ({"content": b"{}"}, 415, "unsupported_media_type", "not multipart/form-data"),
        ({"data": {"files": "text"}, "files": upload(b"x")}, 400, "invalid_request", "without a"),
        ({"files": [("photo", ("a.png", b"x"))]}, 422, "invalid_request", "field 'photo'"),
        ({"files": upload(*[b"x"] * 4)}, 400, "invalid_request", "more than 3 files"),
        (
            {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}},
            400,
            "invalid_request",
            "not valid multipart",
        ),
        ({"files": upload(bytes(3000))}, 413, "request_too_large", "larger than 2,000 bytes"),
    ],
)
def test_an_invalid_request_is_answered_with_one_document(
    client: Callable[..., TestClient], request_: dict[str, Any], status: int, code: str, words: str
) -> None:
    one = client(files=3, request_bytes=2000, file_bytes=1000)
    assert words in sentence_of(one.post("/v1/classify", **request_), status, code)
    # A file that is too large does not affect the others.
    answer = one.post("/v1/classify", files=upload(bytes(1001), b"no picture")).json()
    first, second = (file["error"] for file in answer["files"])
    assert first == "0.png is larger than 1,000 bytes; send a smaller file."
    assert "1.png" in second


def test_unknown_paths_methods_and_hosts_are_answered_with_a_document(
    client: Callable[..., TestClient],
) -> None:
    one = client()
    sentence_of(one.get("/v2/classify"), 404, "not_found")
    sentence_of(one.get("/v1/classify"), 405, "method_not_allowed")
    for host in ("studio.example.org", "localhost.example.org:80", ""):
        answer = one.get("/health", headers={"Host": host})
        assert "Host" in sentence_of(answer, 400, "invalid_request")
    for host in ("localhost:8600", "127.0.0.1", "[::1]:80", "[::1]"):
        assert one.get("/health", headers={"Host": host}).status_code == 200


def test_a_wrong_key_learns_nothing(client: Callable[..., TestClient]) -> None:
    one = client(keys=(KEY, "another-key-of-the-tests"))
    for headers in (
        {},
        {"Authorization": f"Bearer {KEY[:-1]}"},
        {"Authorization": f"Basic {KEY}"},
        {"X-API-Key": "é" * 20},
    ):
        encoded = {name: value.encode("latin-1") for name, value in headers.items()}
        for path in ("/v1/models", "/v1/none", "/metrics"):
            answer = one.get(path, headers=encoded)
            assert sentence_of(answer, 401, "unauthorized") == "A valid API key is required."
        answer = one.post("/v1/classify", headers=encoded, files=upload(picture()))
        sentence_of(answer, 401, "unauthorized")
    assert one.get("/health").status_code == 200
    for headers in ({"Authorization": f"Bearer {KEY}"}, {"X-API-Key": "another-key-of-the-tests"}):
        assert one.get("/v1/models", headers=headers).status_code == 200
        assert one.get("/metrics", headers=headers).status_code == 200


def test_an_unexpected_error_is_logged_and_not_shown(
    settings: Settings,
    bundle: Bundle,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    metrics, options = Metrics(), ServiceOptions(models=("small",), workers=1)
    engine = ClassifyEngine(options, settings)
    application = create_application(engine, ServiceLimits(), ApiKeys(), metrics, only_local=True)

    def broken(*_: object, **__: object) -> None:
        raise MemoryError("of a secret size")

    monkeypatch.setattr(engine, "classify", broken)
    with TestClient(application, base_url="http://localhost", raise_server_exceptions=False) as one:
        answer = one.post("/v1/classify", files=upload(b"x"))
    assert "secret" not in sentence_of(answer, 500, "internal_error")
    assert "of a secret size" in caplog.text


class Exchange:
    """A request at the ASGI level: the body arrives in the given messages, then it waits."""

    def __init__(self, *chunks: bytes, headers: dict[str, str] | None = None) -> None:
        self.messages = [{"type": "http.request", "body": c, "more_body": True} for c in chunks]
        self.scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/classify",
            "headers": [(k.lower().encode(), v.encode()) for k, v in (headers or {}).items()],
        }
        self.sent: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        if self.messages:
            return self.messages.pop(0)
        await asyncio.Event().wait()
        raise AssertionError("not reached")

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    @property
    def outcome(self) -> tuple[int, str]:
        return self.sent[0]["status"], json.loads(self.sent[1]["body"])["error"]["message"]


async def reading(scope: Any, receive: Any, send: Any) -> None:
    """An application that reads the whole body."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 204, "headers": []})


def test_a_body_without_end_is_cut_at_the_limit() -> None:
    guard = RequestGuard(reading, ServiceLimits(request_bytes=250), ApiKeys(), Metrics())
    exchange = Exchange(*[bytes(100)] * 5)
    asyncio.run(guard(exchange.scope, exchange.receive, exchange.send))
    assert exchange.outcome[0] == 413
    assert len(exchange.messages) == 2  # the rest was not read
    # Ten gigabytes that are announced are not read at all.
    exchange = Exchange(bytes(100), headers={"Content-Length": "10000000000"})
    asyncio.run(guard(exchange.scope, exchange.receive, exchange.send))
    assert exchange.outcome[0] == 413
    assert len(exchange.messages) == 1


def test_a_slow_upload_is_ended() -> None:
    guard = RequestGuard(reading, ServiceLimits(upload_seconds=0.02), ApiKeys(), Metrics())
    exchange = Exchange(b"a")
    asyncio.run(guard(exchange.scope, exchange.receive, exchange.send))
    assert exchange.outcome[0] == 408


@pytest.mark.parametrize("limits", [{"requests": 1}, {"waiting_bytes": 150}])
def test_requests_beyond_the_limits_are_told_to_come_back(limits: dict[str, int]) -> None:
    guard = RequestGuard(reading, ServiceLimits(**limits), ApiKeys(), Metrics())
    first = Exchange(bytes(60))
    second = Exchange(bytes(60), headers={"Content-Length": "100"})

    async def both() -> None:
        waiting = asyncio.create_task(guard(first.scope, first.receive, first.send))
        while first.messages:
            await asyncio.sleep(0)
        await guard(second.scope, second.receive, second.send)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    asyncio.run(both())
    assert second.outcome[0] == 503
    assert (b"retry-after", b"2") in second.sent[0]["headers"]
    assert (guard._request_count, guard._byte_count) == (0, 0)


def test_keys_come_from_the_environment_and_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    file.write_text(f"# the phone\n{KEY}\n\n")
    keys = load_keys({"FER_STUDIO_API_KEYS": "first-key-0123456789, second-key-0123456789"}, file)
    accepted = [KEY, "first-key-0123456789", "second-key-0123456789"]
    assert all(keys.accepts(key) for key in accepted)
    assert not any(keys.accepts(key) for key in ("", "# the phone", KEY.upper()))
    assert not load_keys({})
    with pytest.raises(InputError, match="API key 1 should have") as caught:
        load_keys({"FER_STUDIO_API_KEYS": "short"})
    assert "short" not in str(caught.value)
    file.write_text("# nothing\n")
    with pytest.raises(InputError, match="contains no API key"):
        load_keys({}, file)
    with pytest.raises(InputError, match="cannot be read"):
        load_keys({}, tmp_path / "none")


def test_a_service_for_other_machines_needs_keys(settings: Settings) -> None:
    for host in ("0.0.0.0", "::", "192.168.1.5", "studio.example.org"):
        assert not ServiceOptions(host=host).is_local
        with pytest.raises(InputError, match="needs API keys"):
            serve(ServiceOptions(host=host), ApiKeys(), settings)
    assert all(ServiceOptions(host=host).is_local for host in ("localhost", "127.0.0.1", "::1"))


def test_invalid_options_are_reported_in_one_line(
    run: Callable[..., Any], bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "port" in run("serve", "--port", "99999").refusal
    assert "max" in run("serve", "--max-files", "none").refusal
    assert "files" in run("serve", "--max-files", "0").refusal
    assert "'other'" in run("serve", "--port", 0, "--model", "other").refusal
    assert "called 'small'" in run("serve", "--port", 0, *["--model", "small"] * 2).refusal
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert "cannot listen on" in run("serve", "--port", port, "--model", "small").refusal
    found = __import__("importlib.util").util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "fastapi" else found(name)
    )
    assert "requirements-scale.txt" in run("serve").refusal


def begun_request(host: str, port: int, body: bytes) -> socket.socket:
    """Send the header of a request, and return when the server waits for the body.

    The server closes connections on which no request begins in time. If the system suspends this
    process just then, the connection is opened again.
    """
    header = (
        f"POST /v1/classify HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {KEY}\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n"
        f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    )
    deadline = time.monotonic() + 300
    while True:
        assert time.monotonic() < deadline
        connection = socket.create_connection((host, port), timeout=300)
        answer = b""
        with suppress(ConnectionError):
            connection.sendall(header.encode())
            answer = connection.recv(1000)
        if answer:
            assert answer.startswith(b"HTTP/1.1 100 "), answer
            return connection
        connection.close()


def wait_until_closed(host: str, port: int) -> None:
    """Wait until a server accepts no more connections."""
    deadline = time.monotonic() + 300
    while True:
        assert time.monotonic() < deadline
        try:
            socket.create_connection((host, port), timeout=300).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.02)


def test_a_server_closes_slow_connections_and_finishes_requests_on_termination(
    settings: Settings, bundle: Bundle
) -> None:
    environment = os.environ | {
        "FER_STUDIO_MODELS": str(settings.models_root),
        "FER_STUDIO_API_KEYS": KEY,
    }
    arguments = ["--port", "0", "--model", "small", "--json", "--max-header-seconds", "0.2"]
    arguments += ["--max-upload-seconds", "300", "--max-shutdown-seconds", "300"]
    process = subprocess.Popen(
        [sys.executable, "-m", "fer_core", "serve", *arguments],
        cwd=PROJECT_ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        address = process.stderr.readline().split()[4].rstrip(";")
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=300) as slow:
            slow.sendall(b"GET /health HTTP/1.1\r\nX-Slow: ")
            # Closed by the server; with an error if that was before the bytes arrived.
            with suppress(ConnectionError):
                assert slow.recv(1000) == b""
        body = (
            b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
            + picture()
            + b"\r\n--x--\r\n"
        )
        with begun_request(host, int(port), body) as request:
            request.sendall(body[:100])
            process.send_signal(signal.SIGTERM)
            wait_until_closed(host, int(port))
            request.sendall(body[100:])
            answer = HTTPResponse(request)
            answer.begin()
            document = json.loads(answer.read())
        assert answer.status == 200
        assert len(document["files"][0]["faces"]) == 1
        assert process.wait(300) == 0
        assert process.stdout is not None
        assert json.loads(process.stdout.read()) == {"address": address}
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            stream.close()
