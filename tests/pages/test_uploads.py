"""Size limits of uploads, enforced for every client."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from fer_core.errors import InputError
from fer_studio.ui.uploads import check_size, read_upload, safe_file_name, uploads_within_limits


def upload(size: int, name: str = "a.jpg") -> Any:
    return SimpleNamespace(
        name=name, size=size, file_id=f"id of {name}", getvalue=lambda: bytes(size)
    )


def test_the_limit_of_a_field_is_enforced_on_the_server() -> None:
    assert read_upload(upload(1 << 20), 1) == bytes(1 << 20)
    for check in (check_size, read_upload):
        with pytest.raises(InputError, match=r"votes\.csv is larger than 1 MB"):
            check(upload((1 << 20) + 1, "votes.csv"), 1)


def test_the_first_of_many_are_taken() -> None:
    limits = {"max_count": 3, "max_megabytes_each": 2, "max_total_megabytes": 4}
    one, two = upload(1 << 20), upload(2 << 20)
    large, last = upload((2 << 20) + 1, "large.jpg"), upload(1 << 20, "last.jpg")
    assert uploads_within_limits([one, two], **limits) == ([one, two], {})
    taken, rejected = uploads_within_limits([large, one, one, one, last], **limits)
    assert taken == [one, one, one]
    assert rejected == {
        "id of large.jpg": "large.jpg is larger than 2 MB; provide a smaller file.",
        "id of last.jpg": "last.jpg was not analyzed: the limit is 3 photos at a time. Remove "
        "some, or upload the rest afterwards.",
    }
    taken, rejected = uploads_within_limits([two, two, last], **limits)
    assert taken == [two, two]
    assert "the limit is 4 MB of photos at a time" in rejected["id of last.jpg"]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("fer2013.zip", "fer2013.zip"),
        ("../../etc/passwd", "passwd"),
        (r"C:\Users\a\fer 2013.csv", "fer 2013.csv"),
        ("..", "upload"),
        (".", "upload"),
        ("", "upload"),
        ("a/", "upload"),
        ("a\0b\n.csv", "ab.csv"),
        ("\N{GRINNING FACE}" * 400 + ".zip", "\N{GRINNING FACE}" * 56 + ".zip"),
    ],
)
def test_an_upload_s_name_can_name_a_file(name: str, kept: str, tmp_path: Path) -> None:
    assert safe_file_name(name) == kept
    (tmp_path / safe_file_name(name)).write_bytes(b"")
    assert [path.name for path in tmp_path.iterdir()] == [kept]


def test_progress_shows_names_as_they_are_written() -> None:
    def script() -> None:
        from fer_core.access import Role
        from fer_core.jobs.job import Job, JobKind
        from fer_studio.ui.jobs import show_progress

        title = "Importing ![x](http://evil.example/x.png)"
        show_progress(Job(JobKind("import", Role.EDITOR), "x", title), stop_key=None)

    app = AppTest.from_function(script, default_timeout=180).run()
    (bar,) = app.get("progress")
    assert "![x]" not in bar.proto.text
    assert "evil.example" in bar.proto.text.replace("\\", "")
