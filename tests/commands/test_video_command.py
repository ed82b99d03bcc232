"""``video`` on the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from answered import Answered
from drawn_videos import OrangeDetector, alternating, write_video

from fer_core.commands.video import _with_folders
from fer_core.emotions import EMOTIONS

Run = Callable[..., Answered]


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    write_video(folder / "one.mp4", alternating(1.0, {0.0: "happy"}))
    (folder / "notes.txt").write_text("not a video")
    (folder / "two.mp4").write_bytes(b"broken")
    return folder


@pytest.fixture(autouse=True)
def drawn_faces_are_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model is the linear one of the fixture "bundle"."""
    monkeypatch.setattr("fer_core.vision.detect.make_detector", lambda *_: OrangeDetector())


@pytest.mark.usefixtures("bundle")
def test_a_folder_of_videos_becomes_a_folder_of_results(
    run: Run, clips: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    answer = run("video", clips, "--model", "small", "--every", "5/s", "--out", out, "--json")
    assert answer.code == 0, answer.err
    document: dict[str, Any] = json.loads(answer.out)
    good, bad = document["videos"]
    assert list(good) == [
        *("file", "out", "width", "height", "seconds", "frames", "state", "persons", "episodes"),
        *("notes", "error"),
    ]
    assert good["file"] == str(clips / "one.mp4") and good["out"] == str(out / "one")
    assert (good["width"], good["height"], good["frames"]) == (320, 240, 5)
    assert good["state"] == "finished" and good["error"] is None
    (person,) = good["persons"]
    assert person["person"] == 1 and list(person["shares"]) == list(EMOTIONS)
    assert sum(person["shares"].values()) == pytest.approx(1.0, abs=1e-3)
    assert bad["persons"] == [] and bad["error"].startswith("two.mp4 is not a video")
    names = {path.name for path in (out / "one").iterdir() if path.is_file()}
    assert names == {
        *("settings.json", "status.json", "faces.parquet", "faces.csv", "analysis.json"),
        "emotions.vtt",
    }
    assert not (out / "two").exists()
    settings = json.loads((out / "one" / "settings.json").read_text())
    assert (settings["per_second"], settings["detection_seconds"]) == (5.0, 0.2)


@pytest.mark.usefixtures("bundle")
def test_a_finished_video_is_skipped_and_drawn_on_request(
    run: Run, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, clip = tmp_path / "out", clips / "one.mp4"
    arguments = ("video", clip, "--model", "small", "--from", "0:00.2", "--to", "0.8", "--out", out)
    first = run(*arguments)
    assert first.code == 0, first.err
    assert f"{clip}: 15 frames, finished; results in {out / 'one'}" in first.out
    assert "person 1, seen 0:00.6" in first.out

    def never(*_: object) -> np.ndarray:
        raise AssertionError("it was analyzed again")

    monkeypatch.setattr("fer_core.predictor.Predictor.probabilities", never)
    assert run(*arguments, "--blur").code == 0
    assert (out / "one" / "annotated.mp4").is_file()
    other = run(*arguments, "--every", "1/s")
    assert other.code == 2
    assert "contains an analysis with other settings; choose another --out" in other.err
    settings = out / "one" / "settings.json"
    settings.write_text(settings.read_text().replace("one.mp4", "another/one.mp4"))
    assert "contains an analysis of another video; choose" in run(*arguments).err


@pytest.mark.parametrize(
    "options, sentence",
    [
        (["--every", "often"], "--every expects frames per second, such as 5/s"),
        (["--every", "0/s"], "per_second should be above 0"),
        (["--from", "later"], "A time should be in seconds, as minutes:seconds"),
        (["--from", "5", "--to", "3"], "the end of the range should be after its start"),
        (["--from", "50"], "one.mp4 lasts 0:01.0, so the range cannot start at 0:50.0"),
        (["--smoothing", "9"], "smoothing_seconds should be at most 3"),
        (["--model", "missing"], "missing"),
    ],
)
@pytest.mark.usefixtures("bundle")
def test_invalid_options_get_one_line(
    run: Run, clips: Path, tmp_path: Path, options: list[str], sentence: str
) -> None:
    model = [] if "--model" in options else ["--model", "small"]
    answer = run("video", clips / "one.mp4", "--out", tmp_path / "out", *model, *options)
    assert answer.code == 2
    assert sentence in answer.err
    assert answer.err.count("\n") == 1 and answer.err.startswith("error: ")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("bundle")
def test_missing_and_empty_sources_get_one_line(run: Run, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "out", "--model", "small")
    missing = run("video", tmp_path / "missing.mp4", *out)
    assert (missing.code, "missing.mp4 does not exist" in missing.err) == (2, True)
    (tmp_path / "empty").mkdir()
    empty = run("video", tmp_path / "empty", *out)
    assert (empty.code, "empty contains no videos" in empty.err) == (2, True)


@pytest.mark.usefixtures("bundle")
def test_files_of_the_same_name_get_folders_of_their_own(
    run: Run, clips: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "one.mp4").write_bytes((clips / "one.mp4").read_bytes())
    answer = run(
        *("video", clips / "one.mp4", other / "one.mp4", "--model", "small"),
        *("--every", "2/s", "--out", tmp_path / "out", "--json"),
    )
    folders = [Path(row["out"]).name for row in json.loads(answer.out)["videos"]]
    assert folders == ["one", "one.mp4"]


def test_folders_of_results_differ_in_more_than_the_case_of_their_names(tmp_path: Path) -> None:
    files = [Path("Talk.mp4"), Path("talk.mov"), Path("a/TALK.mp4"), Path("b/talk.MOV")]
    names = [video.folder.id for video in _with_folders(files, tmp_path)]
    assert names == ["Talk", "talk.mov", "TALK.mp4", "talk.MOV-2"]
