"""Archives that are damaged or hostile: one sentence, or one problem, never a crash."""

import io
import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_core.dataset.face_set import Problem
from fer_core.dataset.readers import face_rows, read_dataset, sources, zip_source
from fer_core.dataset.readers.problems import ProblemLog
from fer_core.dataset.readers.zip_source import ZipSource
from fer_core.errors import InputError

ZipBytes = Callable[..., bytes]


@pytest.fixture
def files(png: Callable[[NDArray[np.uint8]], bytes]) -> dict[str, bytes]:
    generator = np.random.default_rng(1)
    return {
        f"train/{emotion}/{number}.png": png(generator.integers(0, 256, (8, 8)).astype(np.uint8))
        for emotion in ("happy", "sad")
        for number in range(3)
    }


def test_an_archive_cut_short_is_called_that(
    tmp_path: Path, files: dict[str, bytes], zip_bytes: ZipBytes
) -> None:
    content = zip_bytes(files)
    path = tmp_path / "fer2013.zip"
    for length in (len(content) // 2, len(content) - 30, 10):
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match=r"fer2013\.zip is not a complete zip archive"):
            read_dataset(path)


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff\xe0 a picture, renamed", bytes(5000)])
def test_files_that_are_not_zip_archives_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "faces.zip").write_bytes(content)
    with pytest.raises(InputError, match=r"faces\.zip is not a complete zip archive"):
        read_dataset(tmp_path / "faces.zip")


def test_an_archive_under_another_name_is_read(
    tmp_path: Path, files: dict[str, bytes], zip_bytes: ZipBytes
) -> None:
    (tmp_path / "archive.bin").write_bytes(zip_bytes(files))
    assert len(read_dataset(tmp_path / "archive.bin")) == 6


def test_an_archive_without_members_has_no_usable_picture(
    tmp_path: Path, zip_bytes: ZipBytes
) -> None:
    (tmp_path / "faces.zip").write_bytes(zip_bytes({}))
    with pytest.raises(InputError, match="contains no usable picture"):
        read_dataset(tmp_path / "faces.zip")


def test_a_damaged_member_does_not_affect_the_others(
    tmp_path: Path, files: dict[str, bytes], zip_bytes: ZipBytes
) -> None:
    content = bytearray(zip_bytes(files, zipfile.ZIP_STORED))
    victim = files["train/happy/1.png"]
    content[content.index(victim) + len(victim) // 2] ^= 0xFF
    (tmp_path / "faces.zip").write_bytes(content)
    faces = read_dataset(tmp_path / "faces.zip")
    assert len(faces) == 5
    (problem,) = faces.problems
    assert problem.name == "train/happy/1.png"
    assert problem.reason.startswith("cannot be unpacked")


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_a_flipped_bit_gives_data_or_a_one_sentence_error(
    tmp_path: Path, files: dict[str, bytes], zip_bytes: ZipBytes, method: int
) -> None:
    content = zip_bytes(dict(list(files.items())[:2]), method)
    path = tmp_path / "faces.zip"
    generator = np.random.default_rng(method)
    for position in generator.choice(len(content) * 8, 300, replace=False):
        damaged = bytearray(content)
        damaged[position // 8] ^= 1 << (position % 8)
        path.write_bytes(damaged)
        try:
            faces = read_dataset(path)
        except InputError as error:
            assert "\n" not in str(error)
        else:
            assert 1 <= len(faces) <= 2


def test_no_member_name_causes_a_write(
    tmp_path: Path, files: dict[str, bytes], zip_bytes: ZipBytes
) -> None:
    picture = files["train/happy/1.png"]
    inside = tmp_path / "deep" / "inside"
    inside.mkdir(parents=True)
    (inside / "faces.zip").write_bytes(
        zip_bytes(
            {
                "train/happy/a.png": picture,
                "../../train/happy/escaped.png": picture,
                f"{tmp_path}/happy/absolute.png": picture,
            }
        )
    )
    faces = read_dataset(inside / "faces.zip")
    assert "train/happy/a.png" in faces.names
    written = [name for _, _, names in os.walk(tmp_path) for name in names]
    assert written == ["faces.zip"]


def test_a_member_with_a_password_is_a_problem(
    tmp_path: Path, files: dict[str, bytes], zip_bytes: ZipBytes
) -> None:
    content = bytearray(zip_bytes(files))
    # The flag "encrypted" of the first member, in its own header and in the directory.
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "faces.zip").write_bytes(content)
    faces = read_dataset(tmp_path / "faces.zip")
    assert len(faces) == 5
    assert "password" in faces.problems[0].reason


def test_more_files_than_the_bound_are_refused(
    tmp_path: Path,
    files: dict[str, bytes],
    zip_bytes: ZipBytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "faces.zip").write_bytes(zip_bytes(files))
    monkeypatch.setattr(sources, "MAX_FILES", 5)
    with pytest.raises(InputError, match="more than 5 files"):
        read_dataset(tmp_path / "faces.zip")


def test_an_archive_that_would_unpack_to_too_much_is_refused(
    tmp_path: Path, zip_bytes: ZipBytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "MAX_TOTAL_BYTES", 2**30)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("happy/a.png", bytes(1000))
        archive.infolist()[0].file_size = 2**30 + 1  # as a bomb's directory says it
    (tmp_path / "bomb.zip").write_bytes(buffer.getvalue())
    with pytest.raises(InputError, match=r"bomb\.zip would unpack to more than 1 GB"):
        read_dataset(tmp_path / "bomb.zip")


def packed(
    path: Path, files: dict[str, bytes], change: Callable[[zipfile.ZipInfo], None] | None = None
) -> Path:
    """An archive to whose last member's entry something was done."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            if change is not None and name == list(files)[-1]:
                change(entry)
            archive.writestr(entry, content)
    return path


def test_members_that_lead_out_or_are_links_are_listed_and_not_read(
    tmp_path: Path, files: dict[str, bytes]
) -> None:
    picture = files["train/happy/1.png"]
    outside = {
        "../happy/a.png": "leads out",
        "train/../../happy/a.png": "leads out",
        "/happy/a.png": "leads out",
        "C:/happy/a.png": "leads out",
        "C:\\happy\\a.png": "leads out",
        "..\\happy\\a.png": "leads out",
        "\\happy\\a.png": "leads out",
    }
    path = packed(tmp_path / "faces.zip", files | dict.fromkeys(outside, picture))
    faces = read_dataset(path)
    assert len(faces) == 6
    assert {problem.name for problem in faces.problems} == set(outside)
    for problem in faces.problems:
        assert outside[problem.name] in problem.reason

    def make_link(entry: zipfile.ZipInfo) -> None:
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16

    link = files | {"train/happy/link.png": b"/etc/passwd"}
    (problem,) = read_dataset(packed(tmp_path / "link.zip", link, make_link)).problems
    assert problem == Problem("train/happy/link.png", "is a link, which is not followed")


def test_of_two_members_with_the_same_name_the_first_is_read(
    tmp_path: Path, files: dict[str, bytes], png: Callable[..., bytes]
) -> None:
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        archive.writestr("happy/a.png", png(np.full((48, 48), 1, np.uint8)))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("happy/a.png", png(np.full((48, 48), 2, np.uint8)))
    faces = read_dataset(tmp_path / "faces.zip")
    assert faces.images.max() == 1
    assert [problem.name for problem in faces.problems] == ["happy/a.png"]
    assert "more than once" in faces.problems[0].reason


def test_empty_folders_and_archives_inside_are_listed(
    tmp_path: Path, files: dict[str, bytes], zip_bytes: ZipBytes, write_files: Callable[..., Path]
) -> None:
    inner = zip_bytes(files)
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        for name, content in (files | {"more.zip": inner}).items():
            archive.writestr(name, content)
        archive.mkdir("train")
        archive.mkdir("train/fear")
    folder = write_files(files | {"more.zip": inner})
    (folder / "train" / "fear").mkdir()
    for path in (tmp_path / "faces.zip", folder):
        faces = read_dataset(path)
        assert len(faces) == 6
        assert {problem.name: problem.reason for problem in faces.problems} == {
            "train/fear": "is an empty folder",
            "more.zip": "is an archive next to pictures or tables and was not opened; import it "
            "separately",
        }


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_without_a_bound_are_not_used(
    tmp_path: Path, files: dict[str, bytes], zip_bytes: ZipBytes, method: int
) -> None:
    (tmp_path / "faces.zip").write_bytes(zip_bytes(files, method))
    with pytest.raises(InputError, match="method other than deflate"):
        read_dataset(tmp_path / "faces.zip")


def test_the_size_limit_applies_even_if_the_directory_states_less(
    tmp_path: Path,
    files: dict[str, bytes],
    zip_bytes: ZipBytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "faces.zip").write_bytes(zip_bytes(files))
    source = ZipSource(tmp_path / "faces.zip")
    names = source.names(ProblemLog())
    monkeypatch.setattr(sources, "MAX_TOTAL_BYTES", 100)
    with pytest.raises(InputError, match=r"faces\.zip unpacks to more than"):
        list(source.read_all(names))
    source.close()


def test_a_directory_too_large_for_any_dataset_is_not_read(
    tmp_path: Path,
    files: dict[str, bytes],
    zip_bytes: ZipBytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "faces.zip").write_bytes(zip_bytes(files))
    monkeypatch.setattr(zip_source, "_MAX_DIRECTORY_BYTES", 100)
    with pytest.raises(InputError, match="its directory is too large"):
        read_dataset(tmp_path / "faces.zip")


def test_error_messages_do_not_contain_damaged_bytes(tmp_path: Path) -> None:
    path = packed(tmp_path / "faces.zip", {"FER2013Train/label.csv": bytes(range(256)) * 200})
    content = bytearray(path.read_bytes())
    content[26:28] = b"\x00\x80"  # the length of the name, in the member's own header
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"label\.csv in faces\.zip is damaged") as caught:
        read_dataset(path)
    assert len(str(caught.value)) < 300


def test_more_faces_than_the_bound_are_refused(
    tmp_path: Path,
    files: dict[str, bytes],
    zip_bytes: ZipBytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "faces.zip").write_bytes(zip_bytes(files))
    monkeypatch.setattr(face_rows, "MAX_FACES", 5)
    with pytest.raises(InputError, match="more than 5 faces"):
        read_dataset(tmp_path / "faces.zip")
