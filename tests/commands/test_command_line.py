"""What holds for every command, and the shortest of them."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from fer_core.bundle import Bundle, set_default_bundle
from fer_core.commands.arguments import ProgressLines
from fer_core.emotions import EMOTIONS
from fer_core.recipes import RECIPES
from fer_core.settings import PROJECT_ROOT, Settings


def test_recipes_are_listed_fastest_first(run: Callable) -> None:
    document = run("recipes", "--json").document
    assert [recipe["name"] for recipe in document] == list(RECIPES)
    costs = [recipe["multiply_adds"] * recipe["config"]["epochs"] for recipe in document]
    assert costs == sorted(costs)
    assert all(recipe["summary"] for recipe in document)


def test_the_program_prints_exactly_one_document(run_process: Callable, tmp_path: Path) -> None:
    answer = run_process("recipes", "--json", home=tmp_path)
    assert len(answer.document) == len(RECIPES)
    assert answer.err == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "COMMAND"),
        (("paint",), "paint"),
        (("dataset",), "COMMAND"),
        (("dataset", "paint"), "paint"),
        (("recipes", "--loud"), "--loud"),
        (("classify",), "PATH"),
        (("evaluate",), "--data"),
        (("evaluate", "--data", "x", "--split", "future"), "future"),
        (("train", "--epochs", "many"), "many"),
    ],
)
def test_invalid_arguments_give_a_one_line_error(
    run: Callable, arguments: tuple[str, ...], words: str
) -> None:
    assert words in run(*arguments).refusal


def test_progress_is_printed_every_two_seconds_with_the_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    clock = SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr("fer_core.commands.arguments.time", clock)
    progress = ProgressLines("reading")
    for done in range(11):
        progress(done, 10)
        now[0] += 0.75
    assert capsys.readouterr().err.splitlines() == [
        "reading: 30 %, about 5 s left",
        "reading: 60 %, about 3 s left",
        "reading: 90 %, about 1 s left",
    ]


def test_help_exits_without_error(run: Callable) -> None:
    answer = run("--help")
    assert answer.code == 0
    assert "classify" in answer.out


def test_a_closed_output_pipe_is_not_an_error(start: Callable, tmp_path: Path) -> None:
    process = start("recipes", "--json", home=tmp_path)
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=300) == 0


def test_the_answer_does_not_depend_on_an_unread_standard_error(
    run_process: Callable, tmp_path: Path
) -> None:
    answer = run_process("models", home=tmp_path)
    assert answer.code == 0
    assert "train one" in answer.out
    assert answer.err == ""


def test_an_empty_models_folder_gives_an_empty_list(run: Callable) -> None:
    assert run("models", "--json").document == []


def test_models_are_listed_with_the_default_marked(
    run: Callable,
    settings: Settings,
    write_bundle_folder: Callable[..., Path],
) -> None:
    figures = {"validation": {"accuracy": 0.625}}
    write_bundle_folder(settings.models_root / "small", temperature=2.0, metrics=figures)
    write_bundle_folder(settings.runs_root / "20250101-run" / "bundle")
    set_default_bundle("small", settings)
    small, of_run = run("models", "--json").document
    assert (small["name"], small["default"], small["served"]) == ("small", True, True)
    assert small["labels"] == list(EMOTIONS)
    assert small["temperature"] == 2.0
    assert small["metrics"] == figures
    assert (of_run["name"], of_run["default"]) == ("20250101-run", False)
    text = run("models").out
    assert "small (default)" in text
    assert "62.5 %" in text


def test_a_damaged_model_does_not_hide_the_others(
    run: Callable, bundle: Bundle, settings: Settings
) -> None:
    damaged = settings.models_root / "damaged"
    damaged.mkdir()
    (damaged / "bundle.json").write_text("garbage")
    assert [one["name"] for one in run("models", "--json").document] == ["small"]


def test_a_model_can_be_imported_and_made_the_default(
    run: Callable,
    settings: Settings,
    write_bundle_folder: Callable[..., Path],
    tmp_path: Path,
) -> None:
    folder = write_bundle_folder(tmp_path / "elsewhere" / "guest")
    imported = run("models", "import", folder, "--json").document
    assert (imported["name"], imported["default"]) == ("guest", False)
    assert (settings.models_root / "guest" / "model.onnx").is_file()
    assert run("models", "default", "guest", "--json").document["default"] is True
    assert (settings.models_root / "default").read_text() == "guest\n"
    assert "guest" in run("models", "import", folder).refusal
    renamed = run("models", "import", folder, "--name", "guest-2", "--json").document
    assert renamed["name"] == "guest-2"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("models", "import", "nowhere"), "nowhere"),
        (("models", "default", "unknown-model"), "unknown-model"),
        (("models", "export", "unknown-model"), "unknown-model"),
        (("models", "import", str(PROJECT_ROOT / "tests")), "bundle.json is missing"),
    ],
)
def test_missing_models_give_a_one_line_error(
    run: Callable, arguments: tuple[str, ...], words: str
) -> None:
    assert words in run(*arguments).refusal


def test_a_model_without_its_keras_file_cannot_be_exported(run: Callable, bundle: Bundle) -> None:
    assert "model.keras" in run("models", "export", "small").refusal
