"""Reading pictures in folders named after their emotion, from a folder or an archive."""

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.readers import read_dataset, sources
from fer_core.dataset.splitting import SplitChoice
from fer_core.dataset.statistics import class_counts
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError

Png = Callable[[NDArray[np.uint8]], bytes]
WriteFiles = Callable[..., Path]


@pytest.fixture
def pictures(png: Png) -> list[bytes]:
    """Twenty different 48x48 pictures."""
    generator = np.random.default_rng(0)
    return [png(generator.integers(0, 256, (48, 48)).astype(np.uint8)) for _ in range(20)]


def by_name(faces: FaceSet) -> dict[str, tuple[str, int]]:
    """Emotion and split of each row."""
    return {
        name: (EMOTIONS[label], int(split))
        for name, label, split in zip(faces.names, faces.labels, faces.splits, strict=True)
    }


def test_folder_and_archive_with_the_same_pictures_are_equal(
    write_files: WriteFiles, write_zip: WriteFiles, pictures: list[bytes]
) -> None:
    files = {
        f"{split}/{emotion}/{number}.png": pictures[number]
        for number, (split, emotion) in enumerate(
            [("train", emotion) for emotion in EMOTIONS] + [("test", "happy"), ("val", "sad")]
        )
    }
    folder, archive = read_dataset(write_files(files)), read_dataset(write_zip(files))
    assert folder.names == archive.names == tuple(sorted(files))
    assert folder.fingerprint == archive.fingerprint
    np.testing.assert_array_equal(folder.images, archive.images)


def test_pixels_are_imported_unchanged(write_files: WriteFiles, png: Png) -> None:
    picture = np.arange(48 * 48).reshape(48, 48).astype(np.uint8)
    faces = read_dataset(write_files({"train/fear/a.png": png(picture)}))
    np.testing.assert_array_equal(faces.images[0], picture)
    assert EMOTIONS[faces.labels[0]] == "fear"


def test_fer2013s_prefixes_tell_the_splits_apart(
    write_files: WriteFiles, pictures: list[bytes]
) -> None:
    faces = read_dataset(
        write_files(
            {
                "train/happy/Training_1.png": pictures[0],
                "test/happy/PublicTest_2.png": pictures[1],
                "test/happy/PrivateTest_3.png": pictures[2],
            }
        )
    )
    assert by_name(faces) == {
        "train/happy/Training_1.png": ("happy", 0),
        "test/happy/PublicTest_2.png": ("happy", 1),
        "test/happy/PrivateTest_3.png": ("happy", 2),
    }


def test_a_folder_that_names_its_split_wins_over_fer2013s_prefixes(
    write_files: WriteFiles, pictures: list[bytes]
) -> None:
    files = {
        "validation/happy/Training_1.png": pictures[0],
        "train/happy/PublicTest_2.png": pictures[1],
        "test/happy/Training_3.png": pictures[2],
    }
    faces = read_dataset(write_files(files))
    assert by_name(faces) == {
        "validation/happy/Training_1.png": ("happy", 1),
        "train/happy/PublicTest_2.png": ("happy", 0),
        "test/happy/Training_3.png": ("happy", 2),
    }


def test_an_official_split_that_is_held_back_is_not_made_up(
    write_files: WriteFiles, pictures: list[bytes]
) -> None:
    files = {f"train/happy/Training_{n}.png": pictures[n] for n in range(15)}
    files |= {f"test/happy/PublicTest_{n}.png": pictures[n] for n in range(15, 20)}
    counts = class_counts(read_dataset(write_files(files)))
    assert counts["train"]["happy"] == 15
    assert counts["validation"]["happy"] == 5
    assert counts["test"] == {}


def test_a_test_folder_without_prefixes_is_the_test_set(
    write_files: WriteFiles, pictures: list[bytes]
) -> None:
    files = {f"train/sad/{n}.png": pictures[n] for n in range(10)}
    files |= {f"test/sad/{n}.png": pictures[n] for n in range(10, 14)}
    faces = read_dataset(write_files(files), SplitChoice(validation_share=0.3))
    splits = {name: split for name, (_, split) in by_name(faces).items()}
    assert {name for name, split in splits.items() if split == 2} == {
        f"test/sad/{n}.png" for n in range(10, 14)
    }
    assert sum(split == 1 for split in splits.values()) == 3


def test_without_split_folders_both_are_cut_from_each_class_by_seed(
    write_files: WriteFiles, pictures: list[bytes]
) -> None:
    files = {f"{emotion}/{n}.png": pictures[n] for emotion in ("joy", "Fear") for n in range(10)}
    folder = write_files(files)
    faces, again, other = (read_dataset(folder, SplitChoice(0.2, 0.1, seed)) for seed in (1, 1, 2))
    counts = class_counts(faces)
    for emotion in ("happy", "fear"):
        assert [counts[split][emotion] for split in ("train", "validation", "test")] == [7, 2, 1]
    assert faces.fingerprint == again.fingerprint != other.fingerprint


@pytest.mark.parametrize("folder", ["Validation", "valid", "VAL"])
def test_several_names_of_a_validation_folder_are_recognized(
    write_files: WriteFiles, pictures: list[bytes], folder: str
) -> None:
    faces = read_dataset(
        write_files({"training/sad/a.png": pictures[0], f"{folder}/sad/b.png": pictures[1]})
    )
    assert by_name(faces)[f"{folder}/sad/b.png"] == ("sad", 1)


def test_a_folder_above_and_what_mac_and_hidden_files_leave_behind_do_not_matter(
    write_zip: WriteFiles, pictures: list[bytes]
) -> None:
    faces = read_dataset(
        write_zip(
            {
                "fer2013/train/Happiness/a.png": pictures[0],
                "fer2013/test/SURPRISED/b.png": pictures[1],
                "fer2013/train/Happiness/.DS_Store": b"junk",
                "fer2013/train/Happiness/._a.png": b"junk",
                "__MACOSX/fer2013/train/Happiness/a.png": b"junk",
                "fer2013/README.txt": b"words",
                "fer2013/train/Happiness/Thumbs.db": b"junk",
            }
        )
    )
    assert by_name(faces) == {
        "fer2013/train/Happiness/a.png": ("happy", 0),
        "fer2013/test/SURPRISED/b.png": ("surprise", 2),
    }
    assert faces.problems == ()


def test_what_is_skipped_is_listed_with_its_reason(
    write_files: WriteFiles, pictures: list[bytes], png: Png
) -> None:
    faces = read_dataset(
        write_files(
            {
                "train/happy/good.png": pictures[0],
                "train/contempt/a.png": pictures[1],
                "train/happy/text.jpg": b"no picture at all",
                "train/happy/empty.jpg": b"",
                "train/happy/cut.png": pictures[2][:60],
                "train/happy/huge.png": png(np.zeros((4100, 4100), np.uint8)),
                "loose.png": pictures[3],
            }
        )
    )
    assert faces.names == ("train/happy/good.png",)
    assert {problem.name: problem.reason for problem in faces.problems} == {
        "class 'contempt'": "is not one of the seven emotions",
        "train/happy/text.jpg": "is not a picture that can be read",
        "train/happy/empty.jpg": "is empty",
        "train/happy/cut.png": "is a damaged PNG picture",
        "train/happy/huge.png": "has more than 4096x4096 pixels, too large for a face",
        "loose.png": "is not in a folder named after a class",
    }


def test_ck_plus_and_other_datasets_names(write_files: WriteFiles, pictures: list[bytes]) -> None:
    classes = ("anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise")
    faces = read_dataset(
        write_files({f"CK+48/{name}/S010_{n}.png": pictures[n] for n, name in enumerate(classes)})
    )
    assert [EMOTIONS[label] for label in faces.labels] == [
        *("angry", "disgust", "fear", "happy", "sad", "surprise"),
    ]
    assert [problem.name for problem in faces.problems] == ["class 'contempt'"]


def test_folders_named_as_fer2013s_own_splits(
    write_files: WriteFiles, pictures: list[bytes]
) -> None:
    folders = ("Training", "Public Test", "PrivateTest")
    faces = read_dataset(
        write_files({f"{name}/sad/{n}.png": pictures[n] for n, name in enumerate(folders)})
    )
    assert by_name(faces) == {f"{name}/sad/{n}.png": ("sad", n) for n, name in enumerate(folders)}


def test_a_small_jpeg_that_states_a_huge_size_is_not_decoded(
    write_files: WriteFiles, pictures: list[bytes]
) -> None:
    jpeg = bytearray(cv2.imencode(".jpg", np.zeros((48, 48), np.uint8))[1].tobytes())
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = b"\x7d\x00\x7d\x00"
    faces = read_dataset(write_files({"sad/a.png": pictures[0], "sad/b.jpg": bytes(jpeg)}))
    assert "too large for a face" in faces.problems[0].reason


def test_a_pipe_among_the_files_is_not_waited_for(
    write_files: WriteFiles, pictures: list[bytes]
) -> None:
    folder = write_files({"sad/a.png": pictures[0]})
    os.mkfifo(folder / "sad" / "b.png")
    os.mkfifo(folder / "c.csv")
    faces = read_dataset(folder)
    assert {problem.name for problem in faces.problems} == {"sad/b.png", "c.csv"}
    with pytest.raises(InputError, match="neither a file nor a folder"):
        read_dataset(folder / "c.csv")


def one_bit_png(side: int) -> bytes:
    """A black square picture, packed as tightly as a bomb is."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    packer = zlib.compressobj(9)
    row = bytes(1 + side // 8)
    pixels = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [12_000, 30_000])
def test_a_picture_that_would_fill_the_memory_is_not_decoded(
    write_files: WriteFiles, pictures: list[bytes], monkeypatch: pytest.MonkeyPatch, side: int
) -> None:
    decode, decoded = cv2.imdecode, []

    def imdecode(buffer: NDArray[np.uint8], flags: int) -> Any:
        decoded.append(len(buffer))
        return decode(buffer, flags)

    monkeypatch.setattr(cv2, "imdecode", imdecode)
    folder = write_files({"happy/a.png": pictures[0], "happy/bomb.png": one_bit_png(side)})
    faces = read_dataset(folder)
    assert faces.names == ("happy/a.png",)
    assert "too large for a face" in faces.problems[0].reason
    assert decoded == [len(pictures[0])]


def test_a_file_over_the_bound_is_not_read(
    write_files: WriteFiles,
    write_zip: WriteFiles,
    pictures: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sources, "MAX_FILE_BYTES", 5 * 2**20)
    files = {"happy/a.png": pictures[0], "happy/b.png": bytes(6 * 2**20)}
    for path in (write_files(files), write_zip(files)):
        faces = read_dataset(path)
        assert faces.names == ("happy/a.png",)
        assert [problem.reason for problem in faces.problems] == ["is larger than 5 MB"]


def test_links_are_not_followed(
    write_files: WriteFiles, pictures: list[bytes], tmp_path: Path
) -> None:
    folder = write_files({"happy/a.png": pictures[0]})
    secret = tmp_path / "secret.png"
    secret.write_bytes(pictures[1])
    (folder / "happy" / "b.png").symlink_to(secret)
    faces = read_dataset(folder)
    assert faces.names == ("happy/a.png",)
    assert [problem.reason for problem in faces.problems] == ["is a link, which is not followed"]


@pytest.mark.parametrize("size", [(96, 96), (20, 20), (100, 80), (1, 1)])
def test_other_sizes_become_48_by_48(
    write_files: WriteFiles, png: Png, size: tuple[int, int]
) -> None:
    faces = read_dataset(write_files({"happy/a.png": png(np.full(size, 77, np.uint8))}))
    assert faces.images.shape == (1, 48, 48)
    assert (faces.images == 77).all()


def test_colour_transparency_and_16_bits_become_gray(write_files: WriteFiles) -> None:
    def encoded(picture: NDArray[Any]) -> bytes:
        return cv2.imencode(".png", picture)[1].tobytes()

    red = np.zeros((48, 48, 3), np.uint8)
    red[..., 2] = 255  # OpenCV's order is blue, green, red
    faces = read_dataset(
        write_files(
            {
                "happy/a.png": encoded(red),
                "happy/b.png": encoded(np.full((48, 48, 4), 90, np.uint8)),
                "happy/c.png": encoded(np.full((48, 48), 0x8080, np.uint16)),
            }
        )
    )
    assert [int(image[0, 0]) for image in faces.images] == pytest.approx([76, 90, 128], abs=1)


def test_progress_is_reported_up_to_the_last_picture(
    write_files: WriteFiles, pictures: list[bytes]
) -> None:
    folder = write_files({f"happy/{n}.png": pictures[n] for n in range(12)})
    reports: list[tuple[int, int]] = []
    read_dataset(folder, report=lambda done, count: reports.append((done, count)))
    # All pictures are read, then all pairs of them compared.
    assert reports == [(12, 12), (144, 144)]


@pytest.mark.parametrize("as_zip", [False, True])
def test_a_source_without_a_usable_picture_is_refused_with_the_first_problem(
    write_files: WriteFiles, write_zip: WriteFiles, as_zip: bool
) -> None:
    write = write_zip if as_zip else write_files
    path = write({"train/happy/a.jpg": b"no picture", "notes.txt": b"words"})
    with pytest.raises(
        InputError, match=r"faces.* contains no usable picture .*train/happy/a\.jpg"
    ):
        read_dataset(path)


def test_names_that_are_not_valid_text_are_read(
    write_files: WriteFiles, pictures: list[bytes]
) -> None:
    folder = write_files({"happy/a.png": pictures[0]})
    # A file from a disk in another encoding, and one with a line break in its name.
    (folder / "happy" / "f\udcfcr.png").write_bytes(pictures[1])
    (folder / "happy" / "two\nlines.png").write_bytes(pictures[2])
    faces = read_dataset(folder)
    assert len(faces) == 3
    for name in faces.names:
        assert name.encode().decode() == name
        assert "\n" not in name


def test_a_path_that_does_not_exist_is_named() -> None:
    with pytest.raises(InputError, match="nowhere does not exist"):
        read_dataset(Path("nowhere"))


def test_another_kind_of_file_is_refused_with_what_is_supported(tmp_path: Path) -> None:
    (tmp_path / "picture.jpg").write_bytes(b"emotion")
    with pytest.raises(InputError, match=r"picture\.jpg is not a dataset .*fer2013\.csv"):
        read_dataset(tmp_path / "picture.jpg")
