"""Analyze a generated video in this process."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from drawn_videos import drawn_analyzer, settings_for

from fer_core.settings import Settings
from fer_core.video.analysis_folder import AnalysisFolder
from fer_core.video.analysis_job import AnalysisOutcome, run_analysis


@pytest.fixture
def analyze(settings: Settings, tmp_path: Path) -> Callable[..., AnalysisOutcome]:
    """``analyze(path, per_second=5)``: the outcome of an analysis with the drawn analyzer."""

    def call(path: Path, name: str = "analysis", **changes: Any) -> AnalysisOutcome:
        folder = AnalysisFolder(tmp_path / "analyses" / name)
        folder.create(settings_for(path, **changes))
        return run_analysis(folder, settings, analyzer=drawn_analyzer())

    return call
