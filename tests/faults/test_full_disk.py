"""The disk is full, becomes it in mid-write, or is read-only: nothing is lost, and it is said."""

from collections.abc import Callable
from pathlib import Path

import pytest
from faulty_disk import FaultyDisk, faulty, some_of
from writers import WRITERS, Writer, content_of, is_refused

from fer_core.settings import Settings

#: Of a writer's places; the first and the last are always among them.
_PLACES = 6

#: Bytes short of a place: moments of time in a file are not all of one length.
_SHORT = 24


def written_in(
    writer: Writer, settings: Settings, free: int | None, *, is_read_only: bool = False
) -> tuple[str, FaultyDisk]:
    """What a writer says on a disk with so much free space; empty where it is content."""
    disk = FaultyDisk(settings.data_root.parent, free=free, is_read_only=is_read_only)
    with faulty(disk):
        try:
            refusal = is_refused(writer.write, settings)
        except OSError as error:
            assert writer.tells is None, error
            refusal = error.strerror
    return refusal or "", disk


@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.name)
def test_a_full_disk_costs_nothing_that_was_saved(
    writer: Writer, new_home: Callable[[], Settings]
) -> None:
    whole = new_home()
    refusal, disk = written_in(writer, whole, None)
    assert refusal == ""
    before, after = content_of(new_home()), writer.read(whole)
    for bound in some_of(sorted(set(disk.bounds)), _PLACES):
        settings = new_home()
        refusal, _ = written_in(writer, settings, max(bound - _SHORT, 0))
        if writer.tells is not False:
            assert refusal, f"it was content with less than {bound} bytes"
            assert "No space left on device" in refusal
        if writer.tells:
            assert "free some space" in refusal or "the free space" in refusal
            assert "\n" not in refusal
        # Nothing is left beside what was there, and that is as it was.
        left = content_of(settings)
        if writer.name == "epoch":  # a torn line is dropped when it is read
            left = {name: left[name][: len(content)] for name, content in before.items()}
        assert left == before
        # Once there is space it goes on.
        assert written_in(writer, settings, None)[0] == ""
        assert writer.read(settings) == after
    # What frees space needs none.
    frees = writer.name in ("removal of votes", "unqueueing", "deletion")
    assert bool(disk.bounds) != frees


@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.name)
def test_a_read_only_disk_is_told_and_what_is_there_is_read(
    writer: Writer, new_home: Callable[[], Settings]
) -> None:
    settings = new_home()
    before, value = content_of(settings), writer.read(settings)
    refusal, _ = written_in(writer, settings, None, is_read_only=True)
    if writer.tells is not False:
        assert "Read-only file system" in refusal
    if writer.tells:
        assert (
            "make it writable" in refusal or "permissions" in refusal or "name another" in refusal
        )
        assert "\n" not in refusal
    assert content_of(settings) == before
    disk = FaultyDisk(settings.data_root.parent, is_read_only=True)
    with faulty(disk):
        assert writer.read(settings) == value


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_the_faulty_disk_fails_as_the_real_one(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left on device") as real:
        Path("/dev/full").write_bytes(b"a")
    with (
        faulty(FaultyDisk(tmp_path, free=70)),
        pytest.raises(OSError, match="No space left on device") as made,
    ):
        (tmp_path / "a").write_text("a" * 100)
    assert made.value.errno == real.value.errno
    assert (tmp_path / "a").stat().st_size == 6  # what fitted is there, as on a real one
