"""Tables, summaries, subtitles and edits, against values computed by hand."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from drawn_videos import settings_for

from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.video.documents import analysis_document
from fer_core.video.edits import EditHistory, Edits
from fer_core.video.face_table import (
    FaceTable,
    class_column,
    empty_table,
    read_table,
    smoothed_over_time,
    to_arrow,
    to_csv,
    to_parquet,
)
from fer_core.video.summary import dominant_periods, find_episodes, summarize
from fer_core.video.webvtt import to_webvtt

CLASSES = ("calm", "happy", "sad")
STEP = 0.1


def rows(person: int, spells: list[tuple[str, int]], *, first_frame: int = 0) -> FaceTable:
    """Rows every 0.1 s: probability 0.8 for the label and 0.1 for the others; "" is absent."""
    frames, labels = [], []
    number = first_frame
    for label, count in spells:
        for _ in range(count):
            if label:
                frames.append(number)
                labels.append(CLASSES.index(label))
            number += 1
    count = len(frames)
    probabilities = np.full((count, 3), 0.1, np.float32)
    probabilities[np.arange(count), labels] = 0.8
    return replace(
        empty_table("talk.mp4", CLASSES, 0.4),
        frame=np.array(frames, np.int64),
        seconds=np.array(frames) * STEP,
        duration=np.full(count, STEP),
        person=np.full(count, person, np.int32),
        boxes=np.tile(np.array([10, 20, 30, 40], np.float32), (count, 1)) + person,
        detection_score=np.full(count, 0.9, np.float32),
        probabilities=probabilities,
        smoothed=probabilities,
    )


def together(*tables: FaceTable) -> FaceTable:
    """Join tables in the order of frames and persons."""
    fields = ("frame", "seconds", "duration", "person", "boxes", "detection_score")
    fields += ("probabilities", "smoothed")
    joined = {name: np.concatenate([getattr(one, name) for one in tables]) for name in fields}
    table = replace(tables[0], **joined)
    return table.selected(np.lexsort((table.person, table.frame)))


def test_the_summary_of_a_person() -> None:
    table = rows(2, [("calm", 10), ("happy", 5), ("calm", 5), ("", 20), ("happy", 20)])
    (summary,) = summarize(table)
    assert summary.person == 2
    assert summary.seconds_seen == pytest.approx(4.0)
    assert (summary.first_seen, summary.last_seen) == pytest.approx((0.0, 6.0))
    assert summary.shares == pytest.approx({"calm": 15 / 40, "happy": 25 / 40, "sad": 0.0})
    assert summary.means == pytest.approx(
        {
            "calm": (15 * 0.8 + 25 * 0.1) / 40,
            "happy": (25 * 0.8 + 15 * 0.1) / 40,
            "sad": 0.1,
        }
    )
    assert summary.episode_counts == {"calm": 2, "happy": 2, "sad": 0}
    assert summary.mean_episode_seconds["happy"] == pytest.approx((0.5 + 2.0) / 2)
    assert summary.mean_episode_seconds["sad"] is None
    # The person was absent before the second happy episode: no transition.
    assert summary.transition_counts == {("calm", "happy"): 1, ("happy", "calm"): 1}


def test_episodes_have_exact_times_and_end_in_gaps() -> None:
    table = together(
        rows(1, [("happy", 10), ("sad", 1), ("calm", 9)]),
        rows(2, [("", 4), ("happy", 4), ("", 8), ("happy", 4)]),
    )
    found = [(one.person, one.label, one.start, one.end) for one in find_episodes(table)]
    assert [one[:2] for one in found] == [(1, "happy"), (2, "happy"), (1, "calm"), (2, "happy")]
    times = np.array([one[2:] for one in found])
    # One tenth of a second of "sad" is too short.
    assert times == pytest.approx(np.array([[0, 1.0], [0.4, 0.8], [1.1, 2.0], [1.6, 2.0]]))
    assert find_episodes(table, threshold=0.85) == []
    assert len(find_episodes(table, min_seconds=0.1)) == 5
    (first, *_) = find_episodes(table)
    assert (first.peak, first.mean, first.seconds) == pytest.approx((0.8, 0.8, 1.0))


def test_episodes_weigh_frames_by_their_duration() -> None:
    table = rows(1, [("happy", 3)])
    table = replace(
        table,
        seconds=np.array([0.0, 0.1, 1.0]),
        duration=np.array([0.1, 0.9, 0.5]),
        smoothed=np.array([[0, 0.6, 0], [0, 0.9, 0], [0, 0.5, 0]], np.float32),
    )
    (episode,) = find_episodes(table)
    assert episode.end == pytest.approx(1.5)
    assert episode.mean == pytest.approx((0.06 + 0.81 + 0.25) / 1.5)


def test_smoothing_has_no_delay() -> None:
    seconds = np.arange(200) / 25
    values = np.zeros((200, 2), np.float32)
    values[:100, 0] = values[100:, 1] = 1.0
    smoothed = smoothed_over_time(seconds, values, 0.2)
    assert smoothed.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    # The crossing is between the last frame before the change and the first one after it.
    assert smoothed[99, 0] > 0.5 > smoothed[100, 0]
    # One frame after the change, the forward average still has exp(-0.04/0.2) of the old value, and
    # the backward one has nothing of it.
    assert smoothed[100, 0] == pytest.approx(np.exp(-0.2) / 2, abs=1e-4)
    assert np.array_equal(smoothed_over_time(seconds, values, 0.0), values)


def test_the_table_survives_parquet(tmp_path: Path) -> None:
    table = together(rows(1, [("happy", 3)]), rows(2, [("sad", 2)]))
    path = tmp_path / "faces.parquet"
    path.write_bytes(to_parquet(table, {1: "Ada"}))
    again = read_table(path)
    for name in ("frame", "seconds", "duration", "person", "boxes", "probabilities", "smoothed"):
        assert getattr(again, name) == pytest.approx(getattr(table, name)), name
    assert (again.video, again.classes, again.minimum_confidence) == ("talk.mp4", CLASSES, 0.4)
    arrow = pq.read_table(path)
    assert arrow.column_names == [
        *("video", "frame", "time_s", "person", "x", "y", "width", "height", "detection_score"),
        *(*CLASSES, "label", "score", "is_confident"),
        *("smoothed_calm", "smoothed_happy", "smoothed_sad", "duration_s", "name"),
    ]
    assert arrow.column("name").to_pylist() == ["Ada", "", "Ada", "", "Ada"]


def test_csv_is_read_back_and_harmless_in_spreadsheets() -> None:
    table = replace(rows(1, [("happy", 2)]), video="=cmd()")
    (first, _) = csv.DictReader(io.StringIO(to_csv(table, {1: "+1"}).decode()))
    assert first["video"] == "'=cmd()" and first["name"] == "+1"
    assert first["happy"] == "0.8" and first["label"] == "happy"
    assert first["is_confident"] == "true" and first["x"] == "11"
    (first, _) = csv.DictReader(io.StringIO(to_csv(table, {1: "@SUM(A1)"}).decode()))
    assert first["name"] == "'@SUM(A1)"
    (first, _) = csv.DictReader(
        io.StringIO(to_csv(replace(table, classes=("a", "=1", "b"))).decode())
    )
    assert first["'=1"] == "0.8" and first["label"] == "'=1"


def test_small_and_uncertain_faces_are_not_confident() -> None:
    table = rows(1, [("happy", 4)])
    boxes = table.boxes.copy()
    boxes[1, 2], boxes[2, 3] = 23.9, 23.9
    probabilities = table.probabilities.copy()
    probabilities[3] = (0.35, 0.33, 0.32)
    changed = replace(table, boxes=boxes, probabilities=probabilities)
    assert to_arrow(changed).column("is_confident").to_pylist() == [True, False, False, False]


def test_a_class_may_have_the_name_of_a_column() -> None:
    assert class_column("happy") == "happy"
    assert class_column("person") == "class_person"


def test_an_empty_table_has_all_columns(tmp_path: Path) -> None:
    table = empty_table("a.mp4", EMOTIONS, 0.4)
    path = tmp_path / "empty.parquet"
    path.write_bytes(to_parquet(table))
    assert len(read_table(path)) == 0
    assert to_csv(table).decode().count("\n") == 1
    assert summarize(table) == [] and find_episodes(table) == []
    assert to_webvtt(table) == "WEBVTT\n"


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    path = tmp_path / "faces.parquet"
    with pytest.raises(InputError, match=r"faces\.parquet is missing"):
        read_table(path)
    path.write_bytes(b"PAR1 nothing")
    with pytest.raises(InputError, match=r"faces\.parquet is damaged"):
        read_table(path)
    content = to_parquet(rows(1, [("happy", 2)]))
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"faces\.parquet is damaged"):
        read_table(path)


def test_subtitles_name_the_dominant_emotion() -> None:
    table = rows(1, [("calm", 10), ("happy", 605)])
    assert to_webvtt(table, {1: "A <b>&\n\n--> x"}).splitlines() == [
        "WEBVTT",
        "",
        "00:00:00.000 --> 00:00:01.000",
        "A &lt;b&gt;&amp; --&gt; x: calm 80 %",
        "",
        "00:00:01.000 --> 00:01:01.500",
        "A &lt;b&gt;&amp; --&gt; x: happy 80 %",
    ]
    assert "00:00:00.500 --> 00:01:01.000" in to_webvtt(table, offset=0.5)
    assert len(dominant_periods(table)) == 2


def test_the_document_contains_everything_except_the_owner_and_the_path() -> None:
    table = rows(1, [("happy", 5)])
    settings = settings_for(Path("/home/ada/talk.mp4"), owner="ada@example.org", classes=CLASSES)
    edits = Edits().renamed(1, "Ada").with_marker(0.2, "question")
    document = analysis_document(table, settings, edits, threshold=0.5)
    text = json.dumps(document)
    assert "example.org" not in text and "/home" not in text
    assert list(document) == [
        *("settings", "threshold", "persons", "episodes", "markers", "columns")
    ]
    assert document["persons"][0]["name"] == "Ada"
    assert document["episodes"] == [
        {
            "person": 1,
            "label": "happy",
            "start_s": 0.0,
            "end_s": 0.5,
            "peak": 0.8,
            "mean": 0.8,
        }
    ]
    assert document["markers"] == [{"time_s": 0.2, "name": "question"}]
    assert document["columns"]["happy"] == [0.8] * 5
    assert document["columns"]["time_s"] == [0.0, 0.1, 0.2, 0.3, 0.4]


def test_merged_persons_have_one_row_per_frame() -> None:
    second = rows(2, [("", 3), ("sad", 5)])
    table = together(rows(1, [("happy", 5)]), replace(second, detection_score=np.full(5, 0.95)))
    merged = Edits().with_merge(2, 1).apply(table)
    assert list(merged.frame) == list(range(8))
    assert set(merged.person) == {1}
    # In frames 3 and 4 both were seen; the better detection stays.
    labels = [CLASSES[index] for index in merged.label_indices]
    assert labels == ["happy"] * 3 + ["sad"] * 5


def test_edits_can_be_combined_and_undone(tmp_path: Path) -> None:
    table = together(*(rows(person, [("happy", 2)]) for person in (1, 2, 3)))
    history = EditHistory(tmp_path)
    assert not history.can_undo
    history.add(history.current.renamed(3, "  Ada   L. "))
    history.add(history.current.with_merge(3, 2))
    history.add(history.current.with_excluded(1, is_excluded=True))
    again = EditHistory(tmp_path)
    assert again.current == history.current
    assert again.current.title(2) == "Ada L." and again.current.title(1) == "Person 1"
    assert set(again.current.apply(table).person) == {2}
    again.undo()
    assert set(again.current.apply(table).person) == {1, 2}
    again.undo()
    assert set(again.current.apply(table).person) == {1, 2, 3}
    assert again.current.title(3) == "Ada L."
    again.undo()
    assert not again.can_undo
    again.undo()
    assert again.current == EditHistory(tmp_path).current == Edits()


def test_a_person_merged_into_a_merged_one_follows_it() -> None:
    for edits in (
        Edits().with_merge(3, 2).with_merge(2, 1),
        Edits().with_merge(2, 1).with_merge(3, 2),
    ):
        assert [edits.merged_person(person) for person in (1, 2, 3)] == [1, 1, 1]


def test_invalid_edits_get_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be merged with itself"):
        Edits().with_merge(1, 1)
    with pytest.raises(InputError, match="60 characters; this name has 61"):
        Edits().renamed(1, "a" * 61)
    with pytest.raises(InputError, match="A marker needs a name"):
        Edits().with_marker(1.0, "  ")
    (tmp_path / "edits.json").write_text("[")
    with pytest.raises(InputError, match=r"edits\.json is damaged"):
        EditHistory(tmp_path)


def test_markers_are_in_the_order_of_time() -> None:
    edits = Edits().with_marker(5.0, "b").with_marker(1.0, "a")
    assert [one.name for one in edits.markers] == ["a", "b"]
    assert [one.name for one in edits.without_marker(0).markers] == ["b"]


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"end": 1.0, "start": 2.0}, "the end of the range should be after its start"),
        ({"per_second": 0.0}, "per_second should be above 0"),
        ({"smoothing_seconds": 9.0}, "smoothing_seconds should be at most 3"),
        ({"classes": ["one"]}, "classes"),
    ],
)
def test_invalid_settings_name_the_field(changes: dict[str, object], sentence: str) -> None:
    settings = settings_for(Path("a.mp4"))
    with pytest.raises(ValueError) as caught:
        type(settings).from_json(settings.to_json() | changes)
    assert sentence in str(caught.value)
    assert type(settings).from_json(settings.to_json()) == settings
