"""Archives of every kind, archives in archives, and what must not be read from them."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_core.dataset.readers import find_classes, nested_source, read_dataset, sources
from fer_core.dataset.readers.archive_names import normalized_member_path
from fer_core.dataset.store import name_from_source
from fer_core.errors import InputError

Files = Mapping[str, bytes]


@pytest.fixture(scope="module")
def files(png: Callable[[NDArray[np.uint8]], bytes]) -> dict[str, bytes]:
    generator = np.random.default_rng(1)
    return {
        f"{split}/{emotion}/{number}.png": png(generator.integers(0, 256, (8, 8)).astype(np.uint8))
        for split in ("train", "test")
        for emotion in ("happy", "sad")
        for number in range(2)
    }


def tar_of(files: Files, kind: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def zip_of(files: Files, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return buffer.getvalue()


def tgz_of(files: Files) -> bytes:
    return gzip.compress(tar_of(files))


def with_backslashes(files: Files) -> dict[str, bytes]:
    return {name.replace("/", "\\"): content for name, content in files.items()}


def below(folder: str, files: Files) -> dict[str, bytes]:
    return {f"{folder}{name}": content for name, content in files.items()}


def split_of(files: Files, split: str) -> dict[str, bytes]:
    """Return the files of a split, without its folder."""
    start = f"{split}/"
    return {
        name.removeprefix(start): data for name, data in files.items() if name.startswith(start)
    }


KINDS: dict[str, Callable[[Files], bytes]] = {
    "faces.tar": tar_of,
    "faces.tar.gz": tgz_of,
    "faces.TGZ": tgz_of,
    "faces.tar.bz2": lambda files: bz2.compress(tar_of(files)),
    "faces.tbz2": lambda files: bz2.compress(tar_of(files)),
    "faces.tar.xz": lambda files: lzma.compress(tar_of(files)),
    "faces.tar.lzma": lambda files: lzma.compress(tar_of(files), lzma.FORMAT_ALONE),
    "two-streams.tar.xz": lambda files: b"".join(map(lzma.compress, halves(tar_of(files)))),
    # The padding is longer than the pieces in which the file is read.
    "padded-streams.tar.xz": lambda files: bytes(3 << 20).join(
        map(lzma.compress, halves(tar_of(files)))
    ),
    "two-streams.tar.gz": lambda files: b"".join(map(gzip.compress, halves(tar_of(files)))),
    "old.tar": lambda files: tar_of(files, tarfile.GNU_FORMAT),
    "ustar.tar": lambda files: tar_of(files, tarfile.USTAR_FORMAT),
    "without-suffix": tgz_of,
    "a-tar-in-truth.zip": tar_of,
    "a-zip-in-truth.tar": zip_of,
    "dots.tar.gz": lambda files: tgz_of(below("./", files)),
    "dots.zip": lambda files: zip_of(below("./", files)),
    "windows.zip": lambda files: zip_of(with_backslashes(files)),
    "windows-root.zip": lambda files: zip_of(with_backslashes(below("faces/", files))),
    "stored.zip": lambda files: zip_of(files, zipfile.ZIP_STORED),
    "zip-in.zip": lambda files: zip_of({"faces.zip": zip_of(files)}),
    "tgz-in.zip": lambda files: zip_of({"download/faces.tar.gz": tgz_of(files)}),
    "zip-in.tar": lambda files: tar_of({"faces.zip": zip_of(files)}),
    "tar-in.tar.gz": lambda files: tgz_of({"faces.tar": tar_of(files)}),
    "own-folder.zip": lambda files: zip_of({"faces.zip": zip_of(below("faces/", files))}),
    "windows-in.zip": lambda files: zip_of({"in\\faces.zip": zip_of(with_backslashes(files))}),
    "splits-in.zip": lambda files: zip_of(
        {f"{split}.zip": zip_of(split_of(files, split)) for split in ("train", "test")}
    ),
    "splits-with-folders-in.tgz": lambda files: tgz_of(
        {
            f"{split}.tar.gz": tgz_of(below(f"{split}/", split_of(files, split)))
            for split in ("train", "test")
        }
    ),
    "classes-in.zip": lambda files: zip_of(
        {
            f"{split}/{emotion}.zip": zip_of(
                split_of(split_of(files, split), emotion),
            )
            for split in ("train", "test")
            for emotion in ("happy", "sad")
        }
    ),
    "next-to-a-text.zip": lambda files: zip_of({"readme.md": b"words", "faces.zip": zip_of(files)}),
}


def halves(content: bytes) -> tuple[bytes, bytes]:
    return content[:1000], content[1000:]


@pytest.mark.parametrize("name", KINDS)
def test_archives_are_read_like_the_folder(
    name: str, files: dict[str, bytes], tmp_path: Path, write_files: Callable[..., Path]
) -> None:
    expected = read_dataset(write_files(files, "folder"))
    (tmp_path / name).write_bytes(KINDS[name](files))
    faces = read_dataset(tmp_path / name)
    assert faces.problems == ()
    assert sorted(face.tobytes() for face in faces.images) == sorted(
        face.tobytes() for face in expected.images
    )
    for split in ("train", "test"):
        rows = expected.rows(split)
        assert sorted(faces.labels[faces.rows(split)]) == sorted(expected.labels[rows])
    assert [(one.name, one.count) for one in find_classes(tmp_path / name)] == [
        ("happy", 4),
        ("sad", 4),
    ]


def test_archives_in_a_folder_are_read_unless_a_dataset_is_next_to_them(
    files: dict[str, bytes], write_files: Callable[..., Path]
) -> None:
    logo = files["train/happy/0.png"]
    alone = {"faces.tar.gz": tgz_of(files), "logo.png": logo}
    assert len(read_dataset(write_files(alone, "alone"))) == 8
    # The usual download: the archive is left next to what was unpacked from it.
    unpacked = read_dataset(write_files({"faces.zip": zip_of(files), **files}, "unpacked"))
    assert len(unpacked) == 8
    assert [(one.name, one.reason) for one in unpacked.problems] == [
        (
            "faces.zip",
            "is an archive next to pictures or tables and was not opened; import it separately",
        )
    ]


def test_a_compressed_table_is_read(
    tmp_path: Path, write_files: Callable[..., Path], tiny_table: bytes
) -> None:
    (tmp_path / "fer2013.csv.gz").write_bytes(gzip.compress(tiny_table))
    faces = read_dataset(tmp_path / "fer2013.csv.gz")
    assert faces.names[0] == "fer2013.csv:2"
    folder = write_files({"download/fer2013.csv.bz2": bz2.compress(tiny_table)}, "folder")
    assert read_dataset(folder).fingerprint == faces.fingerprint


@pytest.fixture
def tiny_table() -> bytes:
    rows = [f"{label},{' '.join([str(label)] * 2304)},Training" for label in (3, 4, 5)]
    return "\n".join(["emotion,pixels,Usage", *rows]).encode()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("fer2013.tar.gz", "fer2013"),
        ("fer2013.csv.gz", "fer2013"),
        ("fer2013.csv", "fer2013"),
        ("Faces v1.2.TGZ", "Faces-v1.2"),
        ("faces v1.2", "faces-v1"),
        ("faces.tar", "faces"),
    ],
)
def test_the_name_of_a_dataset_has_no_suffix_of_an_archive(name: str, expected: str) -> None:
    assert name_from_source(Path(name)) == expected


HOSTILE_MEMBERS = {
    "link": (tarfile.SYMTYPE, "is a link"),
    "hard-link": (tarfile.LNKTYPE, "is a link"),
    "character-device": (tarfile.CHRTYPE, "not a regular file"),
    "block-device": (tarfile.BLKTYPE, "not a regular file"),
    "pipe": (tarfile.FIFOTYPE, "not a regular file"),
    "/happy/absolute": (tarfile.REGTYPE, "leads out"),
    "../happy/above": (tarfile.REGTYPE, "leads out"),
    "train/../../happy/above": (tarfile.REGTYPE, "leads out"),
    "..\\happy\\above": (tarfile.REGTYPE, "leads out"),
    "C:/happy/drive": (tarfile.REGTYPE, "leads out"),
    "train/happy/0.png": (tarfile.REGTYPE, "more than once"),
}


@pytest.mark.parametrize("is_inner", [False, True])
def test_links_devices_and_paths_that_lead_out_are_listed_and_not_read(
    files: dict[str, bytes], tmp_path: Path, is_inner: bool
) -> None:
    buffer = io.BytesIO(tar_of(files))
    with tarfile.open(fileobj=buffer, mode="a") as archive:
        for name, (kind, _) in HOSTILE_MEMBERS.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
    content = buffer.getvalue()
    path = tmp_path / "outer" / "faces.tar"
    path.parent.mkdir()
    path.write_bytes(tar_of({"faces.tar": content}) if is_inner else content)
    faces = read_dataset(path)
    assert len(faces) == 8
    found = {one.name.removeprefix("faces.tar/"): one.reason for one in faces.problems}
    assert found.keys() == HOSTILE_MEMBERS.keys()
    for name, (_, reason) in HOSTILE_MEMBERS.items():
        assert reason in found[name]
    assert [path.name for path in tmp_path.rglob("*")] == ["outer", "faces.tar"]


@pytest.mark.parametrize("pack", [tar_of, tgz_of, lambda files: lzma.compress(tar_of(files))])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_an_archive_that_is_cut_short_is_refused(
    pack: Callable[[Files], bytes], share: float, files: dict[str, bytes], tmp_path: Path
) -> None:
    content = pack({name: data * 30 for name, data in files.items()})
    end = content.rstrip(b"\0") if content.endswith(b"\0") else content
    (tmp_path / "faces.tar.gz").write_bytes(end[: int(share * len(end))])
    with pytest.raises(InputError, match=r"faces\.tar\.gz is not a complete"):
        read_dataset(tmp_path / "faces.tar.gz")


def test_a_damaged_header_in_the_middle_is_not_the_end(
    files: dict[str, bytes], tmp_path: Path
) -> None:
    content = bytearray(tar_of(files))
    content[content.index(b"train/happy/1.png") + 150] ^= 1  # the checksum
    (tmp_path / "faces.tar").write_bytes(content)
    with pytest.raises(InputError, match=r"faces\.tar is not a complete tar archive"):
        read_dataset(tmp_path / "faces.tar")


@pytest.mark.parametrize("content", [b"", b"words", bytes(4000), b"\x1f\x8bnothing", b"BZhnothing"])
@pytest.mark.parametrize("name", ["faces.tar", "faces.tgz", "faces.tar.bz2", "faces.gz"])
def test_files_that_are_not_archives_are_refused(content: bytes, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=r"faces\.\w+.* (is not a complete|contains no usable)"):
        read_dataset(tmp_path / name)


@pytest.mark.parametrize(
    "name", ["faces.zip.001", "faces.7z.002", "faces.z01", "faces.part2.rar", "faces.R03"]
)
def test_a_part_of_an_archive_is_named(name: str, write_files: Callable[..., Path]) -> None:
    folder = write_files({name: bytes(100)})
    for path in (folder / name, folder):
        with pytest.raises(
            InputError, match=r"is a part of an archive in several files, .* unpack"
        ):
            read_dataset(path)


def test_an_archive_with_a_password_is_named(files: dict[str, bytes], tmp_path: Path) -> None:
    content = bytearray(zip_of(files))
    for signature, position in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = -1
        while (start := content.find(signature, start + 1)) >= 0:
            content[start + position] |= 1
    (tmp_path / "faces.zip").write_bytes(content)
    with pytest.raises(InputError, match=r"is encrypted with a password; .* \(and 7 other probl"):
        read_dataset(tmp_path / "faces.zip")


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("faces.7z", b"7z\xbc\xaf\x27\x1c" + bytes(100), "7z"),
        ("faces.zip", b"Rar!\x1a\x07\x01\x00" + bytes(100), "RAR"),
        ("faces.tar.zst", b"\x28\xb5\x2f\xfd" + bytes(100), "Zstandard"),
    ],
)
def test_other_archives_are_named(
    name: str, content: bytes, kind: str, tmp_path: Path, write_files: Callable[..., Path]
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"is a {kind} archive, which cannot be read; unpack it"):
        read_dataset(tmp_path / name)


def test_an_inner_archive_that_cannot_be_read_is_listed(
    files: dict[str, bytes], tmp_path: Path
) -> None:
    inner = {
        "good.zip": zip_of(files),
        "bad.zip": b"words",
        "other.7z": b"7z\xbc\xaf\x27\x1c",
        "deep.zip": zip_of({"deeper.zip": zip_of(files)}),
    }
    (tmp_path / "faces.zip").write_bytes(zip_of(inner))
    faces = read_dataset(tmp_path / "faces.zip")
    assert len(faces) == 8
    reasons = {one.name: one.reason for one in faces.problems}
    assert reasons.keys() == {"bad.zip", "other.7z", "deep.zip/deeper.zip"}
    assert "is not a complete zip archive" in reasons["bad.zip"]
    assert "is a 7z archive" in reasons["other.7z"]
    assert "is an archive inside an archive" in reasons["deep.zip/deeper.zip"]


@pytest.mark.parametrize("name", ["faces.tar", "faces.tar.gz", "zip-in.zip", "zip-in.tar"])
def test_the_limits_apply_to_every_kind(
    name: str, files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_bytes(KINDS[name](files))
    with monkeypatch.context() as patch:
        patch.setattr(sources, "MAX_FILES", 7)
        with pytest.raises(InputError, match="more than 7 files"):
            read_dataset(tmp_path / name)
    with monkeypatch.context() as patch:
        patch.setattr(sources, "MAX_TOTAL_BYTES", 500)
        with pytest.raises(InputError, match=r"unpacks? to more than"):
            read_dataset(tmp_path / name)
    with monkeypatch.context() as patch:
        patch.setattr(sources, "MAX_FILE_BYTES", 10)
        with pytest.raises(InputError, match="is larger than"):
            read_dataset(tmp_path / name)


def test_the_limits_apply_to_all_inner_archives_together(
    files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "faces.zip"
    # Hidden files count as well: each takes memory.
    hidden = zip_of({f".{number}": b"" for number in range(10)})
    path.write_bytes(zip_of({"a.zip": zip_of(files), "b.zip": hidden, "c.zip": hidden}))
    with monkeypatch.context() as patch:
        patch.setattr(sources, "MAX_FILES", 20)
        with pytest.raises(InputError, match="more than 20 files"):
            read_dataset(path)
    with monkeypatch.context() as patch:
        patch.setattr(nested_source, "_MAX_ARCHIVES", 1)
        faces = read_dataset(path)
        assert [one.name for one in faces.problems] == ["b.zip", "c.zip"]
    bombs = {f"{number}.tar.gz": gzip.compress(bytes(2**20)) for number in range(3)}
    path.write_bytes(zip_of({"a.zip": zip_of(files), **bombs}))
    monkeypatch.setattr(sources, "MAX_TOTAL_BYTES", 2**19)
    (first, *_) = read_dataset(path).problems
    assert "unpacks to more than the 0 MB that are left of the limit of 0 GB" in first.reason


def test_a_bomb_ends_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_TOTAL_BYTES", 2**20)
    for name, pack in (("a.tar.gz", gzip.compress), ("a.tar.bz2", bz2.compress)):
        (tmp_path / name).write_bytes(pack(bytes(2**25)))
        with pytest.raises(InputError, match="unpacks to more than"):
            read_dataset(tmp_path / name)


def test_a_header_that_states_gigabytes_is_not_read(
    tmp_path: Path, files: dict[str, bytes]
) -> None:
    """Extended headers are read in one call of the size that they state."""
    header = tarfile.TarInfo("long")
    header.type, header.size = tarfile.XHDTYPE, 3 * 2**30
    (tmp_path / "faces.tar").write_bytes(header.tobuf(tarfile.USTAR_FORMAT) + tar_of(files))
    with pytest.raises(InputError, match="a header is too large"):
        read_dataset(tmp_path / "faces.tar")


def test_unpacking_reports_progress_and_can_be_stopped(
    files: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / "faces.tar.gz").write_bytes(tgz_of(files))
    size = (tmp_path / "faces.tar.gz").stat().st_size
    reports: list[tuple[int, int]] = []
    read_dataset(tmp_path / "faces.tar.gz", report=lambda *report: reports.append(report))
    assert reports[0] == (size, size)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_dataset(tmp_path / "faces.tar.gz", report=stop)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("train/happy/1.png", "train/happy/1.png"),
        ("./train//happy/1.png", "train/happy/1.png"),
        ("train\\happy\\1.png", "train/happy/1.png"),
        ("train\\happy/", "train/happy"),
        ("./", None),
        ("/train/1.png", None),
        ("\\train\\1.png", None),
        ("d:\\train\\1.png", None),
        ("a/..\\..\\1.png", None),
    ],
)
def test_paths_of_members(name: str, expected: str | None) -> None:
    assert normalized_member_path(name) == expected
