"""Parts of messages: sentences, counts and durations."""

import subprocess

import pytest

from fer_core.phrases import (
    as_sentence,
    capitalized,
    counted,
    format_duration,
    on_one_line,
    shell_quoted,
)


@pytest.mark.parametrize(
    ("text", "sentence"), [("waits", "Waits."), ("", ""), ("X.", "X."), ("is it?", "Is it?")]
)
def test_a_text_becomes_a_sentence(text: str, sentence: str) -> None:
    assert as_sentence(text) == sentence


def test_only_the_first_letter_is_capitalized() -> None:
    assert (capitalized("macro F1"), capitalized("")) == ("Macro F1", "")


def test_a_noun_follows_its_number() -> None:
    words = [counted(0, "face"), counted(1, "face"), counted(1200, "face")]
    assert words == ["0 faces", "1 face", "1,200 faces"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (44.6, "45 s"),
        (99, "99 s"),
        (720, "12 min"),
        (11_100, "3 h 05 min"),
        (200_000, "2 d 7 h"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert format_duration(seconds) == words


def test_a_name_with_control_characters_is_shown_on_one_line() -> None:
    assert on_one_line("a\nb\u2028c Ä") == r"a\u000ab\u2028c Ä"


@pytest.mark.parametrize("text", ["train", "it's", "te\nst=x", "a\\\n'b", "\t"])
def test_a_quoted_text_is_one_word_for_bash(text: str) -> None:
    quoted = shell_quoted(text)
    assert "\n" not in quoted
    command = ["bash", "-c", f"printf %s {quoted}"]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == text
