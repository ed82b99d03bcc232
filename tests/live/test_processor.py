import gc
import itertools
import sys
import threading
import time
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from live_scenes import (
    Clock,
    FixedPredictor,
    ImmediateExecutor,
    ManualExecutor,
    SquareDetector,
    scene,
)
from numpy.typing import NDArray

from fer_core.classes import color_rgb
from fer_core.emotions import EMOTION_COLORS
from fer_core.errors import InputError
from fer_core.live.controls import LiveControls
from fer_core.live.processor import LiveProcessor
from fer_core.live.session_record import SessionRecord
from fer_core.vision.analyzer import Analyzer
from fer_core.vision.boxes import FaceBox
from fer_core.vision.crop import crop_face


def play(
    processor: LiveProcessor, frames: list[NDArray[np.uint8]], first: int = 0
) -> list[NDArray[np.uint8]]:
    return [processor.process(image, (first + n) / 30) for n, image in enumerate(frames)]


def gliding(count: int, start: int = 100) -> list[NDArray[np.uint8]]:
    return [scene((start + 3 * frame, 150)) for frame in range(count)]


def test_a_face_is_detected_tracked_classified_and_drawn(controls: LiveControls) -> None:
    processor = LiveProcessor(controls, executor=ImmediateExecutor())
    frames = gliding(40)
    shown = play(processor, frames)
    snapshot = processor.snapshot()
    (face,) = snapshot.faces
    assert (face.track_id, face.label) == (1, "happy")
    assert face.score == pytest.approx(0.8)
    assert face.box.x == pytest.approx(100 + 3 * 39, abs=4)
    assert face.box.y == pytest.approx(150, abs=4)
    assert (snapshot.frame_count, snapshot.width, snapshot.height) == (40, 640, 480)
    assert snapshot.error is None
    assert snapshot.seconds_without_face == 0.0
    changed = (shown[-1] != frames[-1]).any(axis=2)
    x, y, width, height = face.box.rounded()
    assert changed[y, x : x + width].all()  # its upper edge
    assert (shown[-1][y + height // 2, x] == color_rgb(EMOTION_COLORS["happy"])).all()
    assert not changed[300:].any()


def test_boxes_agree_with_a_fresh_detection_on_the_same_frame(
    controls: LiveControls, detector: SquareDetector
) -> None:
    processor = LiveProcessor(
        replace(controls, smoothing_seconds=0.4), executor=ImmediateExecutor()
    )
    frames = gliding(60)
    overlaps = []
    for number, image in enumerate(frames):
        processor.process(image, number / 30)
        for face in processor.snapshot().faces:
            (fresh,) = SquareDetector().detect(image)
            overlaps.append(face.box.iou(fresh.box))
    assert len(overlaps) > 45
    assert min(overlaps) > 0.85
    assert detector.calls < 25  # tracked in between, not detected in every frame


def test_the_result_of_a_slow_detection_is_moved_to_the_current_frame(
    controls: LiveControls,
) -> None:
    later = ManualExecutor()
    processor = LiveProcessor(controls, executor=later)
    frames = gliding(30)
    for number, image in enumerate(frames):
        processor.process(image, number / 30)
        if number % 6 == 5:
            later.run_all()
    (face,) = processor.snapshot().faces
    assert face.box.x == pytest.approx(100 + 3 * 29, abs=5)


def test_the_network_receives_the_analyzers_crop(
    controls: LiveControls, predictor: FixedPredictor
) -> None:
    processor = LiveProcessor(controls, executor=ImmediateExecutor())
    image = scene((200, 152))
    play(processor, [image] * 15)
    square = controls.analyzer.detector.geometry.square(FaceBox(200, 152, 80, 80))
    assert (predictor.crops[0] == crop_face(image, square)).all()


def test_two_faces_keep_their_track_ids(controls: LiveControls) -> None:
    processor = LiveProcessor(controls, executor=ImmediateExecutor())
    frames = [scene((100 + 4 * n, 60), (500 - 4 * n, 300)) for n in range(50)]
    play(processor, frames)
    by_person = {face.track_id: face.box for face in processor.snapshot().faces}
    assert by_person[1].y == pytest.approx(60, abs=4)
    assert by_person[2].y == pytest.approx(300, abs=4)
    assert set(processor.session_record.shares()) == {1, 2}


def test_boxes_in_the_record_match_the_mirrored_picture(controls: LiveControls) -> None:
    processor = LiveProcessor(
        replace(controls, is_mirrored=True, shows_labels=False), executor=ImmediateExecutor()
    )
    image = scene((100, 150))
    shown = play(processor, [image] * 15)[-1]
    assert (shown[:, ::-1][:100] == image[:100]).all()
    box = processor.snapshot().faces[0].box
    mirrored_left = round(640 - box.x - box.width)
    assert (shown[200, mirrored_left] == color_rgb(EMOTION_COLORS["happy"])).all()
    assert box.x == pytest.approx(100, abs=2)
    rows = processor.session_record.rows()
    assert rows.boxes[-1][0] == pytest.approx(mirrored_left, abs=2)
    assert rows.contexts[-1].is_mirrored and rows.contexts[-1].width == 640


def test_controls_take_effect_in_the_next_frame(controls: LiveControls) -> None:
    processor = LiveProcessor(controls, executor=ImmediateExecutor())
    image = scene((200, 150))
    play(processor, [image] * 15)
    processor.controls = replace(controls, shows_boxes=False, shows_labels=False)
    assert (processor.process(image, 0.5) == image).all()
    processor.controls = replace(controls, shows_boxes=False, shows_labels=False, shows_bars=True)
    assert (processor.process(image, 0.53) != image).any()
    processor.controls = replace(controls, minimum_confidence=0.9)
    shown = processor.process(image, 0.57)
    assert not (shown == color_rgb(EMOTION_COLORS["happy"])).all(axis=2).any()
    sad = FixedPredictor(0, 0, 0, 0, 1, 0, 0)
    processor.controls = replace(
        controls, analyzer=Analyzer(sad, controls.analyzer.detector), smoothing_seconds=3.0
    )
    processor.process(image, 0.6)
    assert processor.snapshot().faces[0].label == "sad"  # not averaged with the old model's
    assert processor.snapshot().faces[0].score == 1.0


def test_frames_without_faces_are_returned_unchanged(
    controls: LiveControls, predictor: FixedPredictor
) -> None:
    processor = LiveProcessor(controls, executor=ImmediateExecutor())
    empty = scene()
    assert all((shown == empty).all() for shown in play(processor, [empty] * 10))
    snapshot = processor.snapshot()
    assert snapshot.faces == ()
    assert snapshot.seconds_without_face is not None
    assert len(processor.session_record) == 0
    assert predictor.crops == []


def test_the_time_without_a_face_begins_with_the_stream(controls: LiveControls) -> None:
    now = 1000.0
    processor = LiveProcessor(controls, executor=ImmediateExecutor(), clock=lambda: now)
    now += 60.0  # the visitor has not pressed Start yet
    processor.process(scene(), 0.0)
    now += 1.5
    processor.process(scene(), 1.5)
    assert processor.snapshot().seconds_without_face == 1.5
    now += 60.0  # Stop, and Start again
    processor.process(scene(), 61.5)
    assert processor.snapshot().seconds_without_face == 0.0
    now += 2.0
    processor.process(scene(), 63.5)
    assert processor.snapshot().seconds_without_face == 2.0


@pytest.mark.parametrize("broken", ["predictor", "detector"])
def test_an_error_is_logged_once_and_the_stream_continues(
    broken: str,
    controls: LiveControls,
    detector: SquareDetector,
    predictor: FixedPredictor,
    caplog: pytest.LogCaptureFixture,
) -> None:
    processor = LiveProcessor(controls, executor=ImmediateExecutor())
    image = scene((200, 150))
    play(processor, [image] * 15)
    part = predictor if broken == "predictor" else detector
    part.error = RuntimeError("tensor of another shape")
    shown = play(processor, [image] * 15, first=15)
    assert (shown[-1] == image).all()
    message = processor.snapshot().error or ""
    assert "RuntimeError: tensor of another shape" in message
    assert "choose another" in message
    (logged,) = (one for one in caplog.records if one.name == "fer_core.live.processor")
    assert logged.exc_info is not None
    part.error = None
    processor.controls = replace(controls, minimum_confidence=0.3)
    play(processor, [image] * 15, first=30)
    assert processor.snapshot().error is None
    assert len(processor.snapshot().faces) == 1


def test_an_input_error_is_reported_with_its_own_text(
    controls: LiveControls, predictor: FixedPredictor
) -> None:
    predictor.error = InputError("The model gives values that are no probabilities.")
    processor = LiveProcessor(controls, executor=ImmediateExecutor())
    play(processor, [scene((200, 150))] * 15)
    assert processor.snapshot().error == "The model gives values that are no probabilities."


def test_a_new_frame_size_keeps_the_tracks(controls: LiveControls) -> None:
    processor = LiveProcessor(controls, executor=ImmediateExecutor())
    play(processor, [scene((200, 150))] * 15)
    wide = [scene((400, 300), side=160, size=(960, 1280))] * 15
    shown = play(processor, wide, first=15)
    assert shown[0].shape == (960, 1280, 3)
    (face,) = processor.snapshot().faces
    assert face.track_id == 1
    assert (face.box.x, face.box.width) == (pytest.approx(400, abs=4), pytest.approx(160, abs=6))


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (20, 20), (1080, 1920)])
def test_every_frame_size_is_accepted(size: tuple[int, int], controls: LiveControls) -> None:
    processor = LiveProcessor(replace(controls, shows_bars=True), executor=ImmediateExecutor())
    image = np.full((*size, 3), 220, np.uint8)  # one face that fills the picture
    shown = play(processor, [image] * 6)
    assert shown[-1].shape == image.shape
    assert processor.snapshot().error is None


def test_a_restarted_stream_starts_without_tracks(controls: LiveControls) -> None:
    processor = LiveProcessor(controls, executor=ImmediateExecutor())
    play(processor, [scene((200, 150))] * 15)
    processor.process(scene((200, 150)), 0.0)  # the camera's clock begins again
    assert processor.snapshot().faces == ()
    # The only person keeps the id, also at another position.
    play(processor, [scene((500, 300))] * 15, first=1)
    assert [face.track_id for face in processor.snapshot().faces] == [1]
    # Of two persons the one at the same place, also if the new pictures are smaller.
    processor.process(scene((250, 150), side=40, size=(240, 320)), 0.0)
    play(processor, [scene((10, 10), (250, 150), side=40, size=(240, 320))] * 15, first=1)
    assert {face.track_id: round(face.box.x) for face in processor.snapshot().faces} == {
        1: pytest.approx(250, abs=4),
        2: pytest.approx(10, abs=4),
    }


def test_picture_card_and_record_show_the_same_prediction(
    controls: LiveControls, predictor: FixedPredictor
) -> None:
    clock = Clock()
    processor = LiveProcessor(controls, executor=ImmediateExecutor(), clock=clock)
    image = scene((200, 150))
    scores, recorded = [], []
    for number in range(90):
        happy = 0.5 + number / 200
        predictor.row = np.array([1 - happy, 0, 0, happy, 0, 0, 0], np.float32)
        clock.now = number / 30
        processor.process(image, clock.now)
        for face in processor.snapshot().faces:
            scores.append(face.score)
            recorded.append(float(processor.session_record.rows().probabilities[-1].max()))
    # Five predictions per second, each for six frames, although every second frame is classified.
    assert recorded == scores
    changes = np.flatnonzero(np.diff(scores))
    assert len(scores) > 60 and set(np.diff(changes).tolist()) == {6}


def test_a_camera_that_is_off_is_recognized(controls: LiveControls) -> None:
    clock = Clock()
    processor = LiveProcessor(controls, executor=ImmediateExecutor(), clock=clock)
    processor.process(scene((200, 150)), 0.0)
    assert processor.snapshot().seconds_blank == 0.0
    black = np.random.default_rng(0).integers(0, 5, (480, 640, 3)).astype(np.uint8)
    for number in range(4):
        clock.now = 1.0 + number
        processor.process(black, clock.now)
    assert processor.snapshot().seconds_blank == pytest.approx(3.0)
    processor.process(scene((200, 150)), 5.0)
    assert processor.snapshot().seconds_blank == 0.0


def test_many_faces_take_turns(controls: LiveControls, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    real, spent = time.perf_counter, [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: real() + spent[0])

    class Slow(FixedPredictor):
        """A model that takes five milliseconds per face."""

        def probabilities(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
            spent[0] += 0.005 * len(crops)
            sizes.append(len(crops))
            return super().probabilities(crops)

    processor = LiveProcessor(
        replace(controls, analyzer=Analyzer(Slow(), controls.analyzer.detector)),
        executor=ImmediateExecutor(),
    )
    places = [(x, y) for x in (20, 170, 320, 470) for y in (40, 250)]
    play(processor, [scene(*places)] * 30)
    assert len(processor.snapshot().faces) == 8
    assert max(sizes[3:]) <= 3


def test_a_closed_processor_returns_frames_unchanged(controls: LiveControls) -> None:
    processor = LiveProcessor(controls, executor=ImmediateExecutor())
    image = scene((200, 150))
    play(processor, [image] * 15)
    processor.close()
    assert (processor.process(image, 1.0) == image).all()
    assert processor.snapshot().faces == ()


def test_dropped_frames_are_counted(controls: LiveControls) -> None:
    processor = LiveProcessor(controls, executor=ImmediateExecutor())
    processor.count_dropped(2)
    processor.count_dropped(1)
    assert processor.snapshot().dropped_frame_count == 3


def test_snapshots_may_be_taken_while_frames_are_processed(controls: LiveControls) -> None:
    processor = LiveProcessor(controls, executor=ImmediateExecutor())
    failures: list[BaseException] = []
    over = threading.Event()

    def ask() -> None:
        try:
            while not over.is_set():
                processor.snapshot()
                processor.session_record.rows()
                processor.controls = replace(controls, minimum_confidence=0.5)
        except BaseException as error:
            failures.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    play(processor, gliding(60))
    over.set()
    asking.join()
    assert failures == []
    assert processor.snapshot().error is None


def test_two_streams_that_share_model_and_detector_do_not_mix(controls: LiveControls) -> None:
    """As for two visitors: one analyzer and one detection thread for all sessions."""
    lefts = (100, 450)
    processors = [LiveProcessor(controls) for _ in lefts]
    processors[0].video_recording.start()
    # After their first frames, both streams are processed at the same time.
    barrier = threading.Barrier(2)
    deadline = time.monotonic() + 300

    def stream(processor: LiveProcessor, left: int) -> None:
        for number in itertools.count():
            processor.process(scene((left, 150)), number / 30)
            if number == 0:
                barrier.wait(300)
            if number >= 60 and len(processor.session_record.rows()):
                return
            if time.monotonic() > deadline:
                return  # the test fails, because there are no rows

    threads = [
        threading.Thread(target=stream, args=pair) for pair in zip(processors, lefts, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for processor, left in zip(processors, lefts, strict=True):
        rows = processor.session_record.rows()
        assert len(rows)
        assert all(abs(int(x) - left) < 10 for x in rows.boxes[:, 0])
        assert set(rows.persons.tolist()) == {1}
        (face,) = processor.snapshot().faces
        assert face.box.x == pytest.approx(left, abs=10)
    processors[0].video_recording.stop()
    assert processors[0].video_recording.result
    assert processors[1].video_recording.result is None


def test_memory_does_not_grow_with_the_number_of_frames(controls: LiveControls) -> None:
    frames = [scene((20 + 2 * n, 30), side=40, size=(120, 160)) for n in range(20)]
    frames += frames[::-1]
    clock = Clock()
    processor = LiveProcessor(
        controls, record=SessionRecord(max_rows=3), executor=ImmediateExecutor(), clock=clock
    )

    def memory_after(count: int) -> int:
        first = processor.snapshot().frame_count
        for number in range(first, first + count):
            clock.now += 1 / 30
            processor.process(frames[number % len(frames)], number / 30)
        gc.collect()
        # Pillow and NumPy build attribute names at run time ("raw_decoder"). The interpreter's
        # cache of attributes keeps up to 4,096 such strings until their slots are used again.
        getattr(sys, "_clear_internal_caches", sys._clear_type_cache)()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        memory = [memory_after(100) for _ in range(4)]
    finally:
        tracemalloc.stop()
    assert len(processor.snapshot().faces) == 1
    assert len(processor.session_record) <= 3
    # A leak grows in each round; what threads of earlier tests allocate meanwhile does not. One
    # frame has 57,600 bytes; keeping 200 bytes of each would be 20,000 per round.
    assert min(after - before for before, after in itertools.pairwise(memory)) < 15_000


def test_controls_out_of_range_raise(controls: LiveControls) -> None:
    with pytest.raises(ValueError, match=r"minimum_confidence=1\.5"):
        replace(controls, minimum_confidence=1.5)
    with pytest.raises(ValueError, match="smoothing_seconds=9"):
        replace(controls, smoothing_seconds=9)


def test_a_model_with_other_classes_is_refused_and_the_record_stays(
    controls: LiveControls,
) -> None:
    class Pair(FixedPredictor):
        classes = ("calm", "excited")

    processor = LiveProcessor(controls, executor=ImmediateExecutor())
    image = scene((200, 150))
    play(processor, [image] * 15)
    rows = len(processor.session_record)
    assert rows > 0
    analyzer = Analyzer(Pair(0.25, 0.75), controls.analyzer.detector)
    processor.controls = replace(controls, analyzer=analyzer)
    play(processor, [image] * 15, first=15)
    assert "classes differ" in (processor.snapshot().error or "")
    assert len(processor.session_record) == rows
    processor.controls = controls
    play(processor, [image] * 15, first=30)
    assert processor.snapshot().error is None
