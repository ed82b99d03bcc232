"""Persons, times and expressions against the known truth of generated videos."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from drawn_videos import (
    BLUE,
    GREEN,
    SIDE,
    WIDTH,
    Image,
    Person,
    alternating,
    at_rate,
    drawn_analyzer,
    room,
    scene,
    settings_for,
    write_video,
)

from fer_core.video.analysis_job import AnalysisOutcome
from fer_core.video.cuts import CutDetector, thumbnail
from fer_core.video.face_table import FaceTable
from fer_core.video.observation import FaceObserver, PreparedFrame
from fer_core.video.reader import VideoFrame
from fer_core.video.summary import find_episodes
from fer_core.vision.boxes import FaceBox
from fer_core.vision.face import Face

Analyze = Callable[..., AnalysisOutcome]


def labels(table: FaceTable) -> list[str]:
    return [table.classes[index] for index in table.label_indices]


def test_every_frame_is_classified_and_changes_are_exact_to_one_frame(
    analyze: Analyze, tmp_path: Path
) -> None:
    changes = {0.0: "neutral", 0.8: "happy", 1.6: "sad"}
    path = write_video(tmp_path / "one.mp4", alternating(2.4, changes))
    outcome = analyze(path, smoothing_seconds=0.2)
    table = outcome.table
    assert outcome.status.frames == len(table) == 60
    assert list(table.frame) == list(range(60))
    assert table.seconds == pytest.approx(np.arange(60) / 25, abs=1e-4)
    assert table.duration == pytest.approx(0.04, abs=1e-3)
    assert labels(table) == ["neutral"] * 20 + ["happy"] * 20 + ["sad"] * 20
    assert set(table.person) == {1}
    assert table.boxes[0] == pytest.approx([130, 60, SIDE, SIDE], abs=3)
    episodes = find_episodes(table)
    assert [(one.person, one.label) for one in episodes] == [
        (1, "neutral"),
        (1, "happy"),
        (1, "sad"),
    ]
    times = [(one.start, one.end) for one in episodes]
    assert np.abs(np.array(times) - [(0, 0.8), (0.8, 1.6), (1.6, 2.4)]).max() <= 0.1


def test_times_of_a_variable_frame_rate_are_those_of_the_frames(
    analyze: Analyze, tmp_path: Path
) -> None:
    steps = np.tile([0.02, 0.1, 0.04, 0.3], 5)
    times = np.concatenate([[0.0], np.cumsum(steps)])[:20]
    expressions = ["happy" if moment < 0.9 else "fear" for moment in times]
    timed = [
        (float(moment), scene(Person(130, 60, name)))
        for moment, name in zip(times, expressions, strict=True)
    ]
    table = analyze(write_video(tmp_path / "variable.mkv", timed)).table
    # Matroska stores milliseconds.
    assert table.seconds == pytest.approx(times, abs=0.001)
    assert table.duration[:-1] == pytest.approx(np.diff(times), abs=0.002)
    assert labels(table) == expressions


def test_a_person_who_leaves_and_returns_keeps_the_number_and_exact_times(
    analyze: Analyze, tmp_path: Path
) -> None:
    here, gone = scene(Person(130, 60, "happy")), scene()
    timed = at_rate([here] * 20 + [gone] * 30 + [here] * 20)
    table = analyze(write_video(tmp_path / "gone.mp4", timed)).table
    assert list(table.frame) == [*range(20), *range(50, 70)]
    assert set(table.person) == {1}


def test_a_person_who_returns_elsewhere_is_recognized_by_colors(
    analyze: Analyze, tmp_path: Path
) -> None:
    def moment(number: int) -> Image:
        other = Person(20, 60, "sad", GREEN)
        if 20 <= number < 50:
            return scene(other)
        return scene(other, Person(150 if number < 20 else 240, 60, "happy", BLUE))

    timed = at_rate([moment(number) for number in range(70)])
    table = analyze(write_video(tmp_path / "return.mp4", timed)).table
    assert table.persons == [1, 2]
    assert len(table.of_person(1)) == 70
    assert set(labels(table.of_person(1))) == {"sad"}
    assert len(table.of_person(2)) == 40
    assert set(labels(table.of_person(2))) == {"happy"}


def test_two_people_who_cross_keep_their_numbers(analyze: Analyze, tmp_path: Path) -> None:
    def moment(number: int) -> Image:
        way = number * 4.0
        behind = Person(10 + way, 60, "sad", GREEN)
        return scene(behind, Person(WIDTH - 70 - way, 64, "happy", BLUE))

    timed = at_rate([moment(number) for number in range(60)])
    table = analyze(write_video(tmp_path / "cross.mp4", timed)).table
    assert table.persons == [1, 2]
    start, end = table.in_frame(0), table.in_frame(59)
    assert [labels(start.of_person(one)) for one in (1, 2)] == [["sad"], ["happy"]]
    assert [labels(end.of_person(one)) for one in (1, 2)] == [["sad"], ["happy"]]
    assert float(end.of_person(1).boxes[0, 0]) > float(end.of_person(2).boxes[0, 0])


def test_a_cut_starts_new_tracks(analyze: Analyze, tmp_path: Path) -> None:
    first = scene(Person(130, 60, "happy"))
    bright = room(200, seed=5)
    second = scene(Person(132, 60, "angry"), background=bright)
    timed = at_rate([first] * 20 + [second] * 20)
    outcome = analyze(write_video(tmp_path / "cut.mp4", timed))
    table = outcome.table
    assert list(table.of_person(1).frame) == list(range(20))
    assert list(table.of_person(2).frame) == list(range(20, 40))
    assert set(labels(table.of_person(2))) == {"angry"}
    segment = outcome.folder.read_segment(0)
    assert segment is not None and segment.cuts == pytest.approx([0.8], abs=0.001)


def test_a_flash_and_motion_are_not_cuts() -> None:
    detector = CutDetector()
    calm = scene(Person(20, 60), Person(200, 60, "happy", GREEN))
    flash = np.clip(calm.astype(int) + 70, 0, 255).astype(np.uint8)
    moved = scene(Person(44, 60), Person(220, 60, "happy", GREEN))
    for image in (calm, calm, flash, calm, moved):
        assert not detector.is_cut(thumbnail(image))
    assert detector.is_cut(thumbnail(room(60, seed=9)))


class Schedule:
    """Counts detections, and misses the faces of some frames as in profile views."""

    def __init__(self, missed: range = range(0)) -> None:
        self.analyzer = drawn_analyzer()
        detect = self.analyzer.detector.detect
        self.current = 0
        self.detected: list[int] = []

        def counting(image: Image) -> list[Face]:
            self.detected.append(self.current)
            return [] if self.current in missed else detect(image)

        self.analyzer.detector.detect = counting  # type: ignore[method-assign]

    def observe(self, images: list[Image], **changes: object) -> FaceObserver:
        observer = FaceObserver(self.analyzer, settings_for(Path("a.mp4"), **changes))
        for number, image in enumerate(images):
            self.current = number
            height, width = image.shape[:2]
            frame = VideoFrame(number, number / 25, image, width, height)
            observer.add(PreparedFrame.of(frame))
        return observer


def textured(x: float = 130) -> Image:
    """A face with details that optical flow can follow."""
    image = scene(Person(x, 60, "happy"))
    for offset in range(4, SIDE - 4, 8):
        column = round(x) + offset
        image[62 : 60 + SIDE // 4, column : column + 3] = (190, 105, 60)
        image[60 + 3 * SIDE // 4 : 58 + SIDE, column : column + 3] = (200, 120, 60)
    return image


def test_faces_are_detected_at_the_fixed_interval_only_while_nothing_changes() -> None:
    schedule = Schedule()
    observer = schedule.observe([textured()] * 41)
    observer.end_segment()
    # The first frame of a segment, the interval in which the new track is confirmed, then 0.2 s.
    assert schedule.detected == [0, 5, 10, 15, 20, 25, 30, 35, 40]
    rows = observer.take_rows()
    assert sorted(row.frame for row in rows) == list(range(41))


@pytest.mark.parametrize(("per_second", "is_detected"), [(5.0, True), (6.0, False), (None, False)])
def test_frames_that_are_all_detected_are_detected_while_they_are_prepared(
    per_second: float | None, is_detected: bool
) -> None:
    # 5 frames per second are as far apart as the detections, 0.2 s.
    settings = settings_for(Path("a.mp4"), per_second=per_second)
    observer = FaceObserver(drawn_analyzer(), settings)
    image = textured()
    prepared = observer.prepare(VideoFrame(0, 0.0, image, image.shape[1], image.shape[0]))
    assert (prepared.faces is not None) == is_detected


def test_a_face_that_is_missed_for_a_second_is_followed_and_its_frames_count() -> None:
    schedule = Schedule(missed=range(12, 36))
    observer = schedule.observe([textured(100 + number) for number in range(60)])
    observer.end_segment()
    rows = sorted(observer.take_rows(), key=lambda row: row.frame)
    assert {row.person for row in rows} == {1}
    assert [row.frame for row in rows] == list(range(60))
    assert rows[30].box.x == pytest.approx(130, abs=4)


def test_a_single_detection_is_not_a_person() -> None:
    empty = scene()
    observer = Schedule().observe([empty] * 5 + [textured()] + [empty] * 20)
    observer.end_segment()
    assert observer.take_rows() == []


def test_a_change_of_the_resolution_keeps_the_person() -> None:
    import cv2

    small = [textured()] * 10
    large = [np.asarray(cv2.resize(textured(), (640, 480)), np.uint8)] * 10
    observer = Schedule().observe(small + large)
    observer.end_segment()
    rows = sorted(observer.take_rows(), key=lambda row: row.frame)
    assert [row.person for row in rows] == [1] * 20
    assert rows[9].box.rounded() == (130, 60, SIDE, SIDE)
    assert np.array(rows[19].box.rounded()) == pytest.approx(
        np.array(FaceBox(260, 120, 2 * SIDE, 2 * SIDE).rounded()), abs=4
    )
