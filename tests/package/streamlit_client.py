"""A visitor without a browser: asks a running app for a page and collects what it would draw."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect
from websockets.typing import Subprotocol


@dataclass
class DrawnPage:
    """What one run of a page sent to the browser.

    Attributes:
        session: The first message: theme, configuration, main script.
        titles: The texts of headings of the first level.
        exceptions: The messages of uncaught exceptions.
    """

    session: Any = None
    titles: list[str] = field(default_factory=list)
    exceptions: list[str] = field(default_factory=list)


def draw_page(port: int, address: str) -> DrawnPage:
    """Open a page of a local app in a new session, as a deep link does.

    Args:
        port: Where the app answers on 127.0.0.1.
        address: The page's address without the leading slash, such as ``train``.
    """
    page = DrawnPage()
    request = BackMsg()
    request.rerun_script.page_name = address
    url = f"ws://127.0.0.1:{port}/_stcore/stream"
    with connect(
        url,
        subprotocols=[Subprotocol("streamlit")],
        max_size=None,
        # On a busy machine, the imports of the app block the server for longer than the defaults.
        open_timeout=300,
        ping_interval=None,
    ) as socket:
        socket.send(request.SerializeToString())
        while True:
            message = ForwardMsg()
            content = socket.recv(timeout=300)
            assert isinstance(content, bytes)
            message.ParseFromString(content)
            kind = message.WhichOneof("type")
            if kind == "new_session" and page.session is None:
                page.session = message.new_session
            elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
                _note(message.delta.new_element, page)
            elif kind == "script_finished" and not _goes_to_another_page(message):
                return page


def _note(element: Any, page: DrawnPage) -> None:
    kind = element.WhichOneof("type")
    if kind == "heading" and element.heading.tag == "h1":
        page.titles.append(element.heading.body)
    elif kind == "exception":
        page.exceptions.append(element.exception.message)


def _goes_to_another_page(message: Any) -> bool:
    return bool(message.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN)
