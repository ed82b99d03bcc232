"""One small Ray cluster on this machine: photos and a search join it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from free_port import free_port

from fer_core.bundle import Bundle
from fer_core.errors import InputError
from fer_core.recipes import TrainingConfig
from fer_core.scale import ray_pool, ray_search
from fer_core.scale.ray_search import ray_search_options
from fer_core.settings import Settings
from fer_core.training import search
from fer_core.training.search import create_study, study_setup
from fer_core.training.search_space import search_space
from fer_core.vision.sample import sample_picture


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a cluster with two CPUs, started as users start one."""
    port = free_port()
    head = subprocess.Popen(
        [
            *(str(Path(sys.executable).with_name("ray")), "start", "--head", "--block"),
            *(f"--port={port}", "--num-cpus=2", "--include-dashboard=false"),
            *("--disable-usage-stats", "--object-store-memory=100000000"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert head.stdout is not None
    for line in head.stdout:
        if "Ray runtime started" in line:
            break
    yield f"127.0.0.1:{port}"
    for process in psutil.Process(head.pid).children(recursive=True):
        process.kill()
    head.kill()
    head.wait()
    head.stdout.close()


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine, the cluster may take longer than a user would wait."""
    for name in ("_CONNECT_SECONDS", "_CHANNEL_SECONDS", "_JOIN_SECONDS", "_READY_SECONDS"):
        monkeypatch.setattr(ray_pool, name, 300.0)


@pytest.fixture
def photos(
    bundle: Bundle,
    settings: Settings,
    write_files: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A model, and two files in ``photos`` in the current folder."""
    (settings.models_root / "default").write_text("small\n")
    folder = write_files({"astronaut.png": sample_picture()[1], "words.jpg": b"x"}, "photos")
    monkeypatch.chdir(folder.parent)


@pytest.mark.usefixtures("photos")
def test_photos_on_a_cluster_give_the_document_of_classify(
    cluster: str, run: Callable[..., Any]
) -> None:
    """The cluster has no model; it is sent along."""
    expected = run("classify", "photos", "--json").document
    answer = run("classify", "photos", "--out", "out", "--on", cluster, "--json")
    assert answer.document["files"] == expected["files"]
    assert [len(file["faces"]) for file in expected["files"]] == [1, 0]


def test_a_search_on_a_cluster(
    cluster: str,
    run: Callable[..., Any],
    settings: Settings,
    tmp_path: Path,
) -> None:
    """Its only trial is complete, so that no training is needed: a worker joins and ends."""
    setup = study_setup(
        {
            "name": "first",
            "recipe": "three-conv-cnn-adam",
            "data": str(tmp_path),
            "config": TrainingConfig(architecture="three_convolutions", epochs=1),
            "space": search_space([{"field": "learning_rate", "low": 1e-4, "high": 1e-2}]),
            "trials": 1,
            "storage": f"sqlite:///{tmp_path / 'shared.db'}",
        }
    )
    create_study(setup, settings)
    study = search.open_study(setup, settings)
    study.tell(study.ask(), 0.5)
    document = run("search", "resume", "first", "--on", cluster, "--workers", 1, "--json").document
    assert (document["state"], document["finished"]) == ("finished", 1)
    (seen,) = (key for key in search.load_study("first", settings).user_attrs if "seen" in key)
    assert str(os.getpid()) not in seen  # the worker was a process of the cluster
    for arguments, words in (
        (("--workers", 3), "has 2 CPUs and 0 GPUs, too few for 3 workers with 1 CPUs"),
        (("--gpus", 0.5), "too few for 1 worker with 1 CPUs and 0.5 GPUs each"),
        (("--background",), "exclude each other"),
        (("--cpus", 0), "cpus should be at least 1"),
    ):
        assert words in run("search", "resume", "first", "--on", cluster, *arguments).refusal


def test_a_search_that_does_not_fit_the_cluster_is_not_created(
    cluster: str, run: Callable[..., Any]
) -> None:
    space = '[{"field": "learning_rate", "low": 1e-4, "high": 1e-2}]'
    command = ("search", "start", "second", "--recipe", "three-conv-cnn-adam", "--data", "demo")
    answer = run(*command, "--space", space, "--trials", 1, "--on", cluster, "--gpus", 1)
    assert "too few for 1 worker with 1 CPUs and 1 GPUs each" in answer.refusal
    assert "There is no search 'second'" in run("search", "show", "second").refusal


def test_progress_is_reported_only_when_a_trial_is_complete(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports: list[tuple[int, int]] = []
    completed = ray_search._CompletedTrialsReport(
        "first", settings, lambda *one: reports.append(one)
    )
    for finished, failed in ((0, 0), (1, 0), (1, 0), (1, 1)):
        summary = SimpleNamespace(
            finished=finished, pruned=0, failed=failed, setup=SimpleNamespace(trials=3)
        )
        monkeypatch.setattr(ray_search, "study_summary", lambda *_, summary=summary: summary)
        completed()
    assert reports == [(1, 3), (2, 3)]


def test_resources_that_are_not_valid_are_refused() -> None:
    assert ray_search_options(None, 2, 0.5).gpus == 0.5
    with pytest.raises(InputError, match="gpus should be at least 0"):
        ray_search_options(None, 1, -1)
