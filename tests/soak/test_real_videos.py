"""Real recordings of people in front of a webcam."""

from pathlib import Path

import numpy as np
import pytest

from fer_core.emotions import EMOTIONS
from fer_core.settings import Settings, load_settings
from fer_core.video.analysis_folder import AnalysisFolder
from fer_core.video.analysis_job import run_analysis
from fer_core.video.analysis_settings import AnalysisSettings
from fer_core.vision.detector_files import detector_names

pytestmark = pytest.mark.soak


@pytest.mark.parametrize("name", ["sorry", "walk", "yes"])
def test_one_person_is_followed_through_the_whole_recording(
    real_data: Path, settings: Settings, tmp_path: Path, name: str
) -> None:
    """Somebody signs a word, with a neutral face almost all of the time."""
    source = real_data / "videos" / f"{name}.mkv"
    if not source.is_file():
        pytest.skip("the recordings are not on this machine")
    real = load_settings()
    folder = AnalysisFolder(tmp_path / name)
    folder.create(
        AnalysisSettings(
            video=source.name,
            source=str(source),
            model="fer2013",
            classes=EMOTIONS,
            detector=detector_names(real)[0],
        )
    )
    outcome = run_analysis(folder, real)
    assert outcome.table.persons == [1]
    assert len(outcome.table) == outcome.status.frames
    labels = np.array(EMOTIONS)[outcome.table.label_indices]
    assert (labels == "neutral").mean() > 0.75
    assert outcome.status.notes == ()
