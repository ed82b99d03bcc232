"""Statements in README, CONTRIBUTING and docs/ match the code."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from fer_core.__main__ import build_parser
from fer_core.emotions import EMOTIONS
from fer_core.recipes import RECIPES
from fer_core.settings import PROJECT_ROOT
from fer_core.vision.sample import sample_picture

README = PROJECT_ROOT / "README.md"
CONTRIBUTING = PROJECT_ROOT / "CONTRIBUTING.md"
COMMAND_LINE = PROJECT_ROOT / "docs" / "command-line.md"
PAGES = [README, CONTRIBUTING, *sorted((PROJECT_ROOT / "docs").glob("*.md"))]
_VARIABLE = re.compile(r"FER_STUDIO_[A-Z]+(?:_[A-Z]+)*")


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a page in one language; "" for those that name none."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)
    return [body for name, body in found if name == language]


def shell_lines() -> Iterator[tuple[str, list[str]]]:
    """Each command of each page as (page, words), without its comment."""
    for page in PAGES:
        for block in blocks(page, "sh"):
            # What is quoted or continued over several lines is one command.
            for line in re.findall(r"(?:'[^']*'|\\\n|[^\n'])+", block):
                words = shlex.split(line.replace("\\\n", " "), comments=True)
                if words:
                    yield page.name, words


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)


COMMANDS = [words[3:] for _, words in shell_lines() if words[:3] == ["python", "-m", "fer_core"]]


def test_the_commands_of_the_documents_are_found() -> None:
    assert len(COMMANDS) > 15
    assert ["recipes"] in COMMANDS


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_every_command_is_understood(arguments: list[str]) -> None:
    if arguments[-1] == "--help":
        with pytest.raises(SystemExit) as ended:
            build_parser().parse_args(arguments)
        assert ended.value.code == 0
        return
    parsed = build_parser().parse_args(arguments)
    recipe = getattr(parsed, "recipe", None)
    assert recipe is None or recipe in RECIPES


def test_a_mistyped_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["dataset", "look-at", "fer2013"])
    assert "look-at" in capsys.readouterr().err


def test_every_other_program_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (PROJECT_ROOT / "Makefile").read_text(), re.M))
    for page, words in shell_lines():
        match words:
            case ["make", target, *rest]:
                assert target in targets, (page, words)
                assert all("=" in one for one in rest), (page, words)
            case ["python", "-m", "pytest", *rest]:
                paths = [one for one in rest if one.startswith("tests")]
                assert all((PROJECT_ROOT / one).exists() for one in paths), (page, words)
            case ["python", "-m", module, *_] if module.partition(".")[0] in ("benchmarks", "docs"):
                parts = PROJECT_ROOT.joinpath(*module.split("."))
                assert parts.with_suffix(".py").exists() or parts.is_dir(), (page, words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_has_a_target(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if target.startswith("https://"):
            continue
        name, _, heading = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        assert file.is_relative_to(PROJECT_ROOT)
        if heading:
            titles = re.findall(r"^#+ (.+)$", file.read_text("utf-8"), re.M)
            anchors = [re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in titles]
            assert heading in anchors, target


def test_every_picture_is_described_and_small() -> None:
    pictures = re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", README.read_text("utf-8"))
    # The home page shows what is on a machine; the pictures are those of the other pages.
    pages = {path.stem for path in (PROJECT_ROOT / "pages").glob("*.py")} - {"home"}
    assert {Path(target).stem for _, target in pictures} >= pages
    for words, target in pictures:
        assert len(words) > 20, target
        assert (PROJECT_ROOT / target).stat().st_size <= 250_000, target


def test_the_tree_is_correct() -> None:
    (tree,) = (block for block in blocks(CONTRIBUTING, "") if block.startswith("app.py"))
    made_by_use = {"data/", "runs/", "analyses/"}
    named = set()
    folder = PROJECT_ROOT
    for line in tree.splitlines():
        names = re.match(r" *(\S+(?: \S+)*?)(?:  |$)", line)
        assert names is not None, line
        is_inside = line.startswith("  ")
        for name in names[1].split():
            path = (folder if is_inside else PROJECT_ROOT) / name
            assert name in made_by_use or path.exists(), line
            assert path.is_dir() == name.endswith("/") or name in made_by_use, line
            named.add(path)
        if not is_inside:
            folder = PROJECT_ROOT / names[1].split()[0]
    # Complete: no package of fer_core is missing.
    packages = {
        path for path in (PROJECT_ROOT / "fer_core").iterdir() if (path / "__init__.py").exists()
    }
    assert packages <= named


def test_the_environment_variables_are_those_that_are_read() -> None:
    written = "".join(page.read_text("utf-8") for page in PAGES)
    in_pages = set(_VARIABLE.findall(written))
    code = {
        folder: set(
            _VARIABLE.findall(
                "".join(
                    path.read_text("utf-8")
                    for path in (PROJECT_ROOT / folder).rglob("*")
                    if path.suffix in (".py", ".sh")
                )
            )
        )
        for folder in ("fer_core", "fer_studio", "pages", "tests", "docs")
    }
    read_by_the_app = code["fer_core"] | code["fer_studio"] | code["pages"]
    # Set by a process for its child, not by users.
    assert read_by_the_app - {"FER_STUDIO_RUN_LOCK"} <= in_pages
    read_by_compose = set(
        _VARIABLE.findall(
            "".join(path.read_text("utf-8") for path in PROJECT_ROOT.glob("compose*"))
        )
    )
    assert in_pages <= read_by_compose.union(*code.values())


def test_the_table_has_every_recipe_the_fastest_first() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \|", prose(README), re.M)
    assert [name for name in rows if name in RECIPES] == list(RECIPES)


def test_the_script_reads_a_face(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (script,) = blocks(COMMAND_LINE, "python")
    (tmp_path / "photo.jpg").write_bytes(sample_picture()[1])
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FER_STUDIO_MODELS", raising=False)
    exec(compile(script, COMMAND_LINE.name, "exec"), {})
    (line,) = capsys.readouterr().out.splitlines()
    assert line.split()[-2] in EMOTIONS
