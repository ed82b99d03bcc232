"""On a full or read-only disk, saved data is kept and the error message says what to do."""

from collections.abc import Callable
from pathlib import Path

import pytest
from faulty_disk import FaultyDisk, faulty, some_of
from writers import WRITERS, Writer, content_of, error_of

from fer_core.settings import Settings

#: At how many operations of a writer the disk becomes full, the first and the last included.
_PLACES = 6

#: Bytes that are missing at each of them. Time stamps in files differ in length by a few bytes.
_MISSING_BYTES = 24


def written_in(
    writer: Writer, settings: Settings, free: int | None, *, is_read_only: bool = False
) -> tuple[str, FaultyDisk]:
    """Return a writer's error message on a disk with this much free space, empty if it succeeds."""
    disk = FaultyDisk(settings.data_root.parent, free=free, is_read_only=is_read_only)
    with faulty(disk):
        try:
            message = error_of(writer.write, settings)
        except OSError as error:
            assert writer.reports is None, error
            message = error.strerror
    return message or "", disk


@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.name)
def test_a_full_disk_does_not_damage_saved_data(
    writer: Writer, new_home: Callable[[], Settings]
) -> None:
    whole = new_home()
    message, disk = written_in(writer, whole, None)
    assert message == ""
    before, after = content_of(new_home()), writer.read(whole)
    for bound in some_of(sorted(set(disk.bounds)), _PLACES):
        settings = new_home()
        message, _ = written_in(writer, settings, max(bound - _MISSING_BYTES, 0))
        if writer.reports is not False:
            assert message, f"it succeeded with less than {bound} bytes"
            assert "No space left on device" in message
        if writer.reports:
            assert "free some space" in message or "the free space" in message
            assert "\n" not in message
        # All files are as before, and there is no new one.
        left = content_of(settings)
        if writer.name == "epoch":  # readers ignore an incomplete last line
            left = {name: left[name][: len(content)] for name, content in before.items()}
        assert left == before
        # With free space it succeeds.
        assert written_in(writer, settings, None)[0] == ""
        assert writer.read(settings) == after
    # Writers that free space need none.
    frees = writer.name in ("removal of votes", "unqueueing", "deletion")
    assert bool(disk.bounds) != frees


@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.name)
def test_a_read_only_disk_is_reported_and_can_be_read(
    writer: Writer, new_home: Callable[[], Settings]
) -> None:
    settings = new_home()
    before, value = content_of(settings), writer.read(settings)
    message, _ = written_in(writer, settings, None, is_read_only=True)
    if writer.reports is not False:
        assert "Read-only file system" in message
    if writer.reports:
        assert (
            "make it writable" in message or "permissions" in message or "name another" in message
        )
        assert "\n" not in message
    assert content_of(settings) == before
    disk = FaultyDisk(settings.data_root.parent, is_read_only=True)
    with faulty(disk):
        assert writer.read(settings) == value


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux")
def test_the_simulated_disk_fails_like_a_real_one(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left on device") as real:
        Path("/dev/full").write_bytes(b"a")
    with (
        faulty(FaultyDisk(tmp_path, free=70)),
        pytest.raises(OSError, match="No space left on device") as made,
    ):
        (tmp_path / "a").write_text("a" * 100)
    assert made.value.errno == real.value.errno
    assert (tmp_path / "a").stat().st_size == 6  # what fitted was written, as on a real disk
