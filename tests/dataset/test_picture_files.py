"""Pictures are read by their content; every other file is counted with its reason."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from answered import Answered
from PIL import Image

from fer_core.dataset.face_set import SkippedFiles
from fer_core.dataset.readers import read_dataset
from fer_core.picture_header import picture_format
from fer_core.vision.picture_files import files_in

WriteFiles = Callable[..., Path]


def encoded(kind: str, shade: int = 90, **options: Any) -> bytes:
    """Return a picture of 16x16 pixels whose right half is black."""
    pixels = np.full((16, 16), shade, np.uint8)
    pixels[:, 8:] = 0
    buffer = io.BytesIO()
    if kind == "HEIF":
        from pillow_heif import from_pillow

        from_pillow(Image.fromarray(pixels).convert("RGB")).save(buffer, quality=-1)
    else:
        Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def animated(kind: str) -> bytes:
    first, second = Image.fromarray(np.full((16, 16), 90, np.uint8)), Image.new("L", (16, 16), 250)
    first.paste(0, (8, 0, 16, 16))
    buffer = io.BytesIO()
    first.save(buffer, kind, save_all=True, append_images=[second], duration=100)
    return buffer.getvalue()


PICTURES: dict[str, bytes] = {
    "a.jpg": encoded("JPEG"),
    "A.JPG": encoded("JPEG"),
    "a.jpeg": encoded("JPEG"),
    "a.jpe": encoded("JPEG"),
    "a.jfif": encoded("JPEG"),
    "a.png": encoded("PNG"),
    "a.gif": encoded("GIF"),
    "animated.gif": animated("GIF"),
    "a.webp": encoded("WEBP", lossless=True),
    "animated.webp": animated("WEBP"),
    "animated.png": animated("PNG"),
    "a.bmp": encoded("BMP"),
    "a.dib": encoded("BMP"),
    "a.tif": encoded("TIFF"),
    "a.tiff": encoded("TIFF", compression="tiff_lzw"),
    "pages.tiff": animated("TIFF"),
    "a.pgm": encoded("PPM"),
    "a.ppm": encoded("PPM"),
    "a.avif": encoded("AVIF", quality=100),
    "animated.avif": animated("AVIF"),
    "a.heic": encoded("HEIF"),
    "a.HIF": encoded("HEIF"),
    "a.jp2": encoded("JPEG2000"),
    "without-suffix": encoded("JPEG"),
    "00000123": encoded("PNG"),
    "a.jpg_large": encoded("JPEG"),
    "a.image": encoded("WEBP", lossless=True),
    "a.txt": encoded("PNG"),
    "wrong.png": encoded("JPEG"),
    "wrong.jpg": encoded("HEIF"),
    "name.with.dots": encoded("BMP"),
}


def test_pictures_are_read_by_their_content(write_files: WriteFiles, write_zip: WriteFiles) -> None:
    files = {f"happy/{name}": content for name, content in PICTURES.items()}
    files["sad/a.jpg"] = encoded("JPEG")
    for path in (write_files(files), write_zip(files)):
        faces = read_dataset(path)
        assert set(faces.names) == set(files)
        assert faces.problems == () and faces.skipped_files == ()
        for name, image in zip(faces.names, faces.images, strict=True):
            # The first frame of animations; lossy formats differ by a few values.
            assert abs(float(image[8:40, 4:16].mean()) - 90) < 8, name
            assert float(image[8:40, 32:44].mean()) < 8, name


def test_the_suffixes_of_the_report_are_imported_completely(write_files: WriteFiles) -> None:
    """224 faces, of which 84 were imported and nothing was reported."""
    kinds = {
        ".jpg": "JPEG",
        ".jfif": "JPEG",
        ".gif": "GIF",
        ".avif": "AVIF",
        ".jpe": "JPEG",
        ".ppm": "PPM",
        "": "PNG",
    }
    folders = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "Natural")
    files = {
        f"{folder}/{number}{suffix}": encoded(kind, 50 + number)
        for folder in folders
        for suffix, kind in kinds.items()
        for number in range(4)
    }
    assert len(files) == 224
    faces = read_dataset(write_files(files))
    assert len(faces) + faces.skipped == 224
    assert faces.skipped == sum(one.count for one in faces.source_classes if one.target is None)


BROKEN: dict[str, tuple[bytes, str]] = {
    "a.jpg": (b"words", "is not a picture that can be read"),
    "b.jpg": (b"<!DOCTYPE html><html>", "is a web page and not a picture; download it again"),
    "c.jpg": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:1",
        "is a Git LFS pointer and not the picture; run 'git lfs pull'",
    ),
    "d.gif": (encoded("GIF")[:40], "is a damaged GIF picture"),
    "e.gif": (encoded("GIF")[:40], "is a damaged GIF picture"),
    "f.heic": (encoded("HEIF")[:150], "is a damaged HEIC picture"),
    "g.png": (b"", "is empty"),
    "h.mp4": (b"\0\0\0\x18ftypisom\0\0\0\0isom", "is a video and not a picture"),
    "i.wmv": (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6", "is a video and not a picture"),
    "i.pdf": (
        b"%PDF-1.7 pages",
        "is a PDF document and not a picture; save its pages as PNG",
    ),
    "j.svg": (
        b"<svg xmlns='http://www.w3.org/2000/svg'>",
        "is an SVG drawing and not a picture; export it as PNG",
    ),
    "k.psd": (b"8BPS\0\1", "is a Photoshop file and not a picture; export it as PNG"),
    "m.jxl": (b"\xff\x0a", "is a JPEG XL picture, which cannot be read; export it as PNG"),
    "l": (b"\0\1\2\3 bytes", "is not a picture that can be read"),
}


def test_what_cannot_be_read_is_counted_by_class_suffix_and_reason(
    write_files: WriteFiles, run: Callable[..., Answered]
) -> None:
    files = {f"happy/{name}": content for name, (content, _) in BROKEN.items()}
    # Next to folders of classes, a folder without any picture that can be read.
    files |= {"sad/a.png": encoded("PNG"), "happy/a.png": encoded("PNG")}
    files |= {"fear/1.mp4": BROKEN["h.mp4"][0], "fear/2.MP4": BROKEN["h.mp4"][0]}
    # Nobody expects these to be pictures.
    files |= {"README.md": b"words", "happy/list.txt": b"words", "happy/a.json": b"{}"}
    folder = write_files(files)
    faces = read_dataset(folder)
    assert len(faces) == 2
    expected = [
        *(
            SkippedFiles("happy", Path(name).suffix, reason, 1)
            for name, (_, reason) in BROKEN.items()
            if not name.endswith(".gif")
        ),
        SkippedFiles("happy", ".gif", "is a damaged GIF picture", 2),
        SkippedFiles("fear", ".mp4", "is a video and not a picture", 2),
    ]
    assert sorted(map(repr, faces.skipped_files)) == sorted(map(repr, expected))
    assert faces.skipped == len(BROKEN) + 2

    document = run("dataset", "import", folder, "--name", "broken", "--json").document
    assert {
        "class": "happy",
        "suffix": ".gif",
        "reason": "is a damaged GIF picture",
        "count": 2,
    } in document["skipped_files"]
    assert sum(one["count"] for one in document["skipped_files"]) == faces.skipped
    text = run("dataset", "info", "broken").out
    line = next(line for line in text.splitlines() if ".gif" in line)
    assert line.split(maxsplit=3) == ["happy", ".gif", "2", "is a damaged GIF picture"]
    assert "skipped:" not in text


def test_a_reason_with_details_is_listed_once(tmp_path: Path, run: Callable[..., Answered]) -> None:
    source = tmp_path / "faces.zip"
    with zipfile.ZipFile(source, "w") as archive:
        archive.writestr("happy/a.png", encoded("PNG"))
        archive.writestr("sad/photo#1.png", encoded("PNG") + b"the end")
    source.write_bytes(source.read_bytes().replace(b"the end", b"another"))
    text = run("dataset", "import", source, "--name", "broken").out
    (line,) = (line for line in text.splitlines() if "cannot be unpacked" in line)
    assert line.split(maxsplit=3) == ["sad", ".png", "1", "cannot be unpacked"]
    assert "skipped:" not in text and "more; --json" not in text


HIDDEN = (
    ".DS_Store",
    "happy/.DS_Store",
    "happy/._1.png",
    "happy/Thumbs.db",
    "happy/desktop.ini",
    "happy/.ipynb_checkpoints/1-checkpoint.png",
    "__MACOSX/happy/._1.png",
    "__MACOSX/happy/1.png",
    ".cache/happy/1.png",
    "happy/thumbnails/1.png",
    "Thumbs/happy/1.png",
    "@eaDir/happy/1.png",
)


def test_one_rule_for_hidden_files_and_thumbnails(
    write_files: WriteFiles, write_zip: WriteFiles
) -> None:
    picture = encoded("PNG")
    files = dict.fromkeys((*HIDDEN, "happy/1.png", "sad/2.png"), picture)
    for path in (write_files(files, "faces"), write_zip(files)):
        faces = read_dataset(path)
        assert faces.names == ("happy/1.png", "sad/2.png")
        assert faces.problems == ()
        if path.is_dir():
            assert [one.relative_to(path).as_posix() for one in files_in(path)] == [*faces.names]


@pytest.mark.parametrize(
    "content",
    [
        b"BM is the start of a text",
        b"P5 is the start of a text",
        b"P",
        b"II",
        b"RIFF\0\0\0\0AVI ",
        b"GIF without a version",
        b"\0\0\0\x18ftypisom\0\0\0\0isommp42",
    ],
)
def test_texts_and_videos_are_not_pictures(content: bytes) -> None:
    assert picture_format(content) is None
