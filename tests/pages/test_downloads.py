"""Download buttons: how long a file that is generated at a click stays available."""

from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.runtime import Runtime
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.media_file_storage import MediaFileStorageError
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage

from fer_studio.ui import downloads


def test_a_generated_file_stays_until_the_page_runs_again(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = MemoryMediaFileStorage("/media")
    manager = MediaFileManager(storage)
    visitor = SimpleNamespace(session_id="visitor")
    drawn: list[Any] = []
    monkeypatch.setattr(Runtime, "instance", lambda: SimpleNamespace(media_file_mgr=manager))
    monkeypatch.setattr(downloads, "get_script_run_ctx", lambda: visitor)
    monkeypatch.setattr(
        downloads.st, "download_button", lambda label, content, *_, **__: drawn.append(content)
    )
    downloads.offer_download("CSV", lambda: "person\n1\n", "table.csv", key="table")

    # As Streamlit does at the click.
    button = manager.add_deferred(drawn[0], "text/csv", "0.1", "table.csv")
    file_name = manager.execute_deferred(button).rpartition("/")[2]
    for _ in range(3):  # a refresh of a fragment ends like this
        manager.remove_orphaned_files()
    assert storage.get_file(file_name).content == b"person\n1\n"

    # A run of the whole page.
    manager.clear_session_refs("visitor")
    manager.remove_orphaned_files()
    manager.remove_orphaned_files()
    with pytest.raises(MediaFileStorageError):
        storage.get_file(file_name)


def test_content_that_is_known_is_not_generated(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(
        downloads.st, "download_button", lambda label, content, *_, **__: drawn.append(content)
    )
    downloads.offer_download("CSV", b"person\n", "table.csv", key="table")
    assert drawn == [b"person\n"]
