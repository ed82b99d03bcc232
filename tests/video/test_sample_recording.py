"""The shipped sample with the real detector and the shipped model, against its drawing plan."""

from pathlib import Path

import numpy as np
import pytest

from fer_core.emotions import EMOTIONS
from fer_core.settings import Settings, load_settings
from fer_core.video.analysis_folder import AnalysisFolder
from fer_core.video.analysis_job import run_analysis
from fer_core.video.analysis_settings import AnalysisSettings
from fer_core.video.reader import probe_video
from fer_core.video.sample import sample_path
from fer_core.video.summary import find_episodes
from fer_core.vision.detector_files import detector_names
from tools.draw_sample_video import ACTORS, draw_frame


def test_the_sample_is_small_and_plays_in_browsers() -> None:
    assert sample_path().stat().st_size < 1_000_000
    info = probe_video(sample_path())
    assert info.plays_in_browsers
    assert (info.width, info.height, info.seconds) == (640, 360, pytest.approx(20.0))


def test_the_tool_draws_the_shipped_frames() -> None:
    import av

    with av.open(str(sample_path())) as container:
        first = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert np.abs(first.astype(int) - draw_frame(0.0).astype(int)).mean() < 3


@pytest.mark.soak
def test_persons_and_emotions_are_those_of_the_plan(settings: Settings, tmp_path: Path) -> None:
    real = load_settings()
    folder = AnalysisFolder(tmp_path / "sample")
    folder.create(
        AnalysisSettings(
            video="sample.mp4",
            source=str(sample_path()),
            model="fer2013",
            classes=EMOTIONS,
            detector=detector_names(real)[0],
        )
    )
    table = run_analysis(folder, real).table
    assert table.persons == [1, 2]
    for person, actor in zip((1, 2), ACTORS, strict=True):
        rows = table.of_person(person)
        labels = np.array(EMOTIONS)[rows.smoothed.argmax(axis=1)]
        # Half a second after each change the expression is complete.
        for (start, emotion), (end, _) in zip(
            actor.expressions, (*actor.expressions[1:], (20.0, "")), strict=True
        ):
            inside = (rows.seconds > start + 0.5) & (rows.seconds < end - 0.2)
            if inside.any():
                assert (labels[inside] == emotion).mean() > 0.6, (person, start, emotion)
    # The second person comes in, leaves and returns.
    seconds = table.of_person(2).seconds
    (gap,) = np.flatnonzero(np.diff(seconds) > 0.5)
    assert 4.0 < seconds[0] < 5.0
    assert 11.0 < seconds[gap] < 12.0 and 14.0 < seconds[gap + 1] < 15.0
    changes = [one.start for one in find_episodes(table) if one.label == "surprise"]
    assert min(abs(start - 10.0) for start in changes) < 0.4
