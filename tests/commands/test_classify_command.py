"""``classify``: the JSON document, the text output and invalid input."""

import io
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_core.bundle import Bundle
from fer_core.emotions import EMOTIONS
from fer_core.settings import Settings
from fer_core.vision.sample import sample_picture


@pytest.fixture
def default_bundle(bundle: Bundle, settings: Settings) -> Bundle:
    (settings.models_root / "default").write_text("small\n")
    return bundle


@pytest.fixture
def astronaut(tmp_path: Path) -> Path:
    path = tmp_path / "pictures" / "astronaut.png"
    path.parent.mkdir()
    path.write_bytes(sample_picture()[1])
    return path


def blank_picture(width: int, height: int, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "gray").save(buffer, kind)
    return buffer.getvalue()


def png_bomb() -> bytes:
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    body = b"IHDR" + header
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


def bad_files() -> dict[str, bytes]:
    sample = Image.open(io.BytesIO(sample_picture()[1]))
    buffer = io.BytesIO()
    sample.save(buffer, "JPEG")
    return {
        "archive.jpg": b"PK\x03\x04" + bytes(100),
        "bomb.png": png_bomb(),
        "cut.jpg": buffer.getvalue()[:5000],
        "empty.png": b"",
        "words.jpg": b"not a picture",
    }


def test_a_face_is_detected_and_classified(
    run: Callable, default_bundle: Bundle, astronaut: Path
) -> None:
    document = run("classify", astronaut, "--json").document
    assert set(document) == {"files"}
    (file,) = document["files"]
    assert set(file) == {"file", "width", "height", "faces", "error"}
    assert (file["file"], file["width"], file["height"]) == (str(astronaut), 512, 512)
    assert file["error"] is None
    (face,) = file["faces"]
    assert list(face) == [
        *("box", "label", "score", "probabilities", "is_confident", "is_too_small")
    ]
    assert (face["is_confident"], face["is_too_small"]) == (face["score"] >= 0.4, False)
    x, y, width, height = face["box"]
    assert x < 224 < x + width  # the nose
    assert y < 120 < y + height
    assert list(face["probabilities"]) == list(EMOTIONS)
    assert sum(face["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    assert face["score"] == max(face["probabilities"].values())
    assert face["probabilities"][face["label"]] == face["score"]


def test_a_folder_means_every_file_in_it_at_any_depth(
    run: Callable, default_bundle: Bundle, astronaut: Path
) -> None:
    folder = astronaut.parent
    (folder / "inner" / "deep").mkdir(parents=True)
    (folder / "inner" / "deep" / "street.png").write_bytes(blank_picture(300, 200))
    (folder / ".hidden").write_bytes(b"a desktop's notes")
    files = run("classify", folder, "--json").document["files"]
    assert [Path(file["file"]).name for file in files] == ["astronaut.png", "street.png"]
    assert [len(file["faces"]) for file in files] == [1, 0]
    assert [file["error"] for file in files] == [None, None]


def test_invalid_files_are_reported_in_their_rows_and_the_others_analyzed(
    run: Callable, default_bundle: Bundle, astronaut: Path
) -> None:
    for name, content in bad_files().items():
        (astronaut.parent / name).write_bytes(content)
    files = run("classify", astronaut.parent, "--json").document["files"]
    by_name = {Path(file["file"]).name: file for file in files}
    assert set(by_name) == {"astronaut.png", *bad_files()}
    assert len(by_name["astronaut.png"]["faces"]) == 1
    for name in bad_files():
        assert by_name[name]["faces"] == []
        assert (by_name[name]["width"], by_name[name]["height"]) == (None, None)
        sentence = by_name[name]["error"]
        assert name in sentence
        assert sentence.endswith(".")
        assert "\n" not in sentence


def test_if_no_file_can_be_read_the_command_fails(
    run: Callable, default_bundle: Bundle, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "empty.jpg").write_bytes(b"")
    assert "empty.jpg is empty" in run("classify", folder / "empty.jpg", "--json").refusal
    (folder / "words.jpg").write_bytes(b"words")
    refusal = run("classify", folder, "--json").refusal
    assert "None of the 2 files could be read" in refusal
    assert "empty.jpg is empty" in refusal


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("clip.mp4", b"\x00\x00\x00\x20ftypisom"),
        ("clip.mov", b"\x00\x00\x00\x14ftypqt  "),
        ("clip.mkv", b"\x1a\x45\xdf\xa3"),
        ("clip.avi", b"RIFF\x00\x00\x00\x00AVI LIST"),
        ("clip.mpg", b"\x00\x00\x01\xba"),
        ("photo.jpg", b"\x00\x00\x00\x20ftypmp42"),
    ],
)
def test_a_video_names_the_video_command(
    run: Callable, default_bundle: Bundle, tmp_path: Path, name: str, start: bytes
) -> None:
    (tmp_path / name).write_bytes(start + bytes(2000))
    refusal = run("classify", tmp_path / name).refusal
    assert f"{name} is a video" in refusal
    assert "fer_core video" in refusal


def test_files_of_other_programs_in_a_folder_are_skipped(
    run: Callable, default_bundle: Bundle, astronaut: Path
) -> None:
    for name in (
        "__MACOSX/._astronaut.png",
        "__MACOSX/astronaut.png",
        ".ipynb_checkpoints/astronaut-checkpoint.png",
        ".thumbnails/astronaut.png",
        "thumbs/astronaut.png",
        "Thumbs.db",
        "desktop.ini",
    ):
        path = astronaut.parent / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    files = run("classify", astronaut.parent, "--json").document["files"]
    assert [Path(file["file"]).name for file in files] == ["astronaut.png"]


def test_a_table_and_drawings_are_written(
    run: Callable, default_bundle: Bundle, astronaut: Path, tmp_path: Path
) -> None:
    (astronaut.parent / "again").mkdir()
    (astronaut.parent / "again" / "astronaut.jpg").write_bytes(astronaut.read_bytes())
    (astronaut.parent / "empty.png").write_bytes(b"")
    table, out = tmp_path / "faces.csv", tmp_path / "drawn" / "here"
    answer = run("classify", astronaut.parent, "--csv", table, "--annotate", "--out", out)
    assert "2 pictures" in answer.err
    lines = table.read_text().splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("file,width,height,face,x,y,")
    drawn = sorted(path.name for path in out.iterdir())
    assert drawn == ["astronaut-2.annotated.jpg", "astronaut.annotated.jpg"]
    with Image.open(out / drawn[1]) as picture:
        assert picture.size == (512, 512)
        assert np.abs(np.asarray(picture).astype(int) - Image.open(astronaut)).max() > 60
    assert "--annotate needs --out" in run("classify", astronaut, "--annotate").refusal
    workers = ("--annotate", "--out", out, "--on", "local")
    assert "--annotate cannot be combined" in run("classify", astronaut, *workers).refusal
    assert "--csv cannot" in run("classify", astronaut, "--csv", table, "--out", out).refusal


def test_a_table_without_faces_has_the_classes_of_the_model(
    run: Callable, write_bundle_folder: Callable[..., Path], settings: Settings, tmp_path: Path
) -> None:
    labels = ["bored", "tired", "awake", "calm", "tense", "glad", "other"]
    write_bundle_folder(settings.models_root / "moods", labels=labels)
    picture, table = tmp_path / "wall.png", tmp_path / "faces.csv"
    picture.write_bytes(blank_picture(400, 300))
    assert run("classify", picture, "--model", "moods", "--csv", table).code == 0
    heading, row = table.read_text().splitlines()
    assert f"label,score,{','.join(labels)},is_confident" in heading
    assert row.startswith(f"{picture},400,300,,")


def test_a_picture_is_read_from_standard_input(
    run: Callable, default_bundle: Bundle, astronaut: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(astronaut.read_bytes())))
    (file,) = run("classify", "-", "--json").document["files"]
    assert (file["file"], len(file["faces"]), file["error"]) == ("-", 1, None)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"words")))
    assert "standard input is not a picture" in run("classify", "-").refusal


def test_a_reduced_picture_is_stated_and_its_boxes_are_those_of_the_full_one(
    run: Callable, default_bundle: Bundle, astronaut: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (full,) = run("classify", astronaut, "--json").document["files"]
    monkeypatch.setattr("fer_core.vision.decode.MAX_PIXELS", 200_000)
    (reduced,) = run("classify", astronaut, "--json").document["files"]
    assert "512 x 512 pixels and was analyzed at 256 x 256" in reduced["note"]
    assert (reduced["width"], reduced["height"]) == (512, 512)
    assert "note" not in full
    box = np.array(reduced["faces"][0]["box"])
    assert np.abs(box - full["faces"][0]["box"]).max() < 40
    assert "analyzed at 256 x 256" in run("classify", astronaut).out


def test_a_missing_path_among_others_is_reported_in_its_row(
    run: Callable, default_bundle: Bundle, astronaut: Path, tmp_path: Path
) -> None:
    found, missing = run("classify", astronaut, tmp_path / "gone.jpg", "--json").document["files"]
    assert found["error"] is None
    assert "gone.jpg" in missing["error"]


def test_only_missing_paths_are_refused_in_one_line(
    run: Callable, default_bundle: Bundle, tmp_path: Path
) -> None:
    assert "gone.jpg" in run("classify", tmp_path / "gone.jpg", "--json").refusal
    (tmp_path / "bare").mkdir()
    assert "bare" in run("classify", tmp_path / "bare").refusal


def test_a_picture_can_be_classified_whole(
    run: Callable, default_bundle: Bundle, tmp_path: Path
) -> None:
    path = tmp_path / "wall.png"
    path.write_bytes(blank_picture(300, 200))
    (file,) = run("classify", path, "--json").document["files"]
    assert file["faces"] == []
    (file,) = run("classify", path, "--whole", "--json").document["files"]
    assert [face["box"] for face in file["faces"]] == [[0, 0, 300, 200]]


def test_a_small_square_picture_is_a_face_crop(
    run: Callable, default_bundle: Bundle, tmp_path: Path
) -> None:
    path = tmp_path / "crop.png"
    path.write_bytes(blank_picture(48, 48))
    (file,) = run("classify", path, "--json").document["files"]
    assert [face["box"] for face in file["faces"]] == [[0, 0, 48, 48]]


def test_the_picture_is_turned_upright_first(
    run: Callable, default_bundle: Bundle, astronaut: Path
) -> None:
    upright = Image.open(astronaut).convert("RGB").crop((0, 0, 512, 400))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by a quarter, clockwise
    upright.transpose(Image.Transpose.ROTATE_90).save(astronaut.with_name("turned.png"), exif=exif)
    upright.save(astronaut.with_name("upright.png"))
    files = run(
        "classify",
        astronaut.with_name("upright.png"),
        astronaut.with_name("turned.png"),
        "--json",
    ).document["files"]
    assert [(file["width"], file["height"]) for file in files] == [(512, 400)] * 2
    assert files[0]["faces"] == files[1]["faces"]
    assert len(files[0]["faces"]) == 1


def test_the_temperature_softens_the_score_and_keeps_the_label(
    run: Callable,
    default_bundle: Bundle,
    astronaut: Path,
    settings: Settings,
    write_bundle_folder: Callable[..., Path],
) -> None:
    write_bundle_folder(settings.models_root / "softer", temperature=3.0)
    faces = [
        run("classify", astronaut, "--model", model, "--json").document["files"][0]["faces"][0]
        for model in ("small", "softer")
    ]
    assert faces[0]["label"] == faces[1]["label"]
    assert faces[1]["score"] < faces[0]["score"]


def test_haar_is_the_default_without_yunets_file(
    run: Callable, default_bundle: Bundle, astronaut: Path
) -> None:
    named = run("classify", astronaut, "--detector", "haar", "--json").document
    assert named == run("classify", astronaut, "--json").document


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--detector", "crystal-ball"), "crystal-ball"),
        (("--detector", "yunet"), "yunet"),
        (("--model", "unknown-model"), "unknown-model"),
        (("--model", "../../etc"), "../../etc"),
    ],
)
def test_an_unknown_detector_or_model_is_refused_in_one_line(
    run: Callable,
    default_bundle: Bundle,
    astronaut: Path,
    arguments: tuple[str, str],
    words: str,
) -> None:
    assert words in run("classify", astronaut, *arguments, "--json").refusal


def test_without_a_model_the_message_explains_how_to_get_one(
    run: Callable, astronaut: Path
) -> None:
    assert "no model yet" in run("classify", astronaut).refusal


def test_the_text_output_lists_files_faces_and_errors(
    run: Callable, default_bundle: Bundle, astronaut: Path
) -> None:
    (astronaut.parent / "empty.png").write_bytes(b"")
    (astronaut.parent / "street.png").write_bytes(blank_picture(300, 200))
    answer = run("classify", astronaut.parent)
    assert answer.code == 0
    assert "astronaut.png: 1 face\n" in answer.out
    assert "street.png: no face found" in answer.out
    # The message contains the file's name.
    (trouble,) = [line for line in answer.out.splitlines() if "empty.png" in line]
    assert trouble.count("empty.png") == 1
    assert "empty" in trouble.replace("empty.png", "")


def test_file_names_in_any_script_are_printed_unchanged(
    run: Callable, default_bundle: Bundle, tmp_path: Path
) -> None:
    path = tmp_path / "größer 😀\nline.png"
    path.write_bytes(blank_picture(48, 48))
    (file,) = run("classify", path, "--json").document["files"]
    assert file["file"] == str(path)


@pytest.mark.parametrize("arguments", [("--json",), ()])
def test_a_process_reports_every_file_and_prints_nothing_else(
    run_process: Callable,
    tmp_path: Path,
    write_bundle_folder: Callable[..., Path],
    arguments: tuple[str, ...],
) -> None:
    """A name that is not Unicode and an empty file do not affect other files."""
    write_bundle_folder(tmp_path / "models" / "small")
    folder = tmp_path / "pictures"
    folder.mkdir()
    names = ["noise.png", "other.png", "empty.jpg"]
    if sys.platform != "win32":  # such names exist on POSIX only
        names.append(b"f\xfcr.png".decode(errors="surrogateescape"))
        (folder / names[-1]).write_bytes(blank_picture(48, 48))
    values = np.random.default_rng(0).integers(0, 256, (60, 60, 3)).astype(np.uint8)
    Image.fromarray(values).save(folder / "noise.png")
    (folder / "other.png").write_bytes(blank_picture(48, 48))
    (folder / "empty.jpg").write_bytes(b"")
    answer = run_process("classify", folder, "--model", "small", *arguments, home=tmp_path)
    assert answer.code == 0, answer.err
    assert "other.png" in answer.out
    assert "Traceback" not in answer.err
    if arguments:
        assert len(answer.document["files"]) == len(names)


def test_a_name_too_long_is_refused_in_its_row(
    run: Callable, default_bundle: Bundle, astronaut: Path
) -> None:
    files = run("classify", "a" * 300, astronaut, "--json").document["files"]
    assert "File name too long" in files[0]["error"]
    assert files[1]["error"] is None


def test_an_empty_path_is_not_the_current_folder(run: Callable, default_bundle: Bundle) -> None:
    assert "a path must not be empty" in run("classify", "").refusal
