"""Fonts for the names of classes in other scripts."""

import pytest
from PIL import ImageFont

from fer_core.vision import fonts


def test_the_usual_font_is_used_for_usual_text() -> None:
    assert fonts.font_for("happy 87 %", 20) is fonts.font_for("sad", 20)


def test_another_font_is_used_for_other_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = fonts.font_for("sad", 20)
    wider = ImageFont.load_default(20)
    original = fonts._has_characters
    monkeypatch.setattr(fonts, "_font", lambda name, size: wider if name else usual)
    monkeypatch.setattr(
        fonts, "_has_characters", lambda name, text: name == "msyh.ttc" or original(name, text)
    )
    fonts._font_name.cache_clear()
    assert fonts.font_for("快乐", 20) is wider
    fonts._font_name.cache_clear()


def test_without_such_a_font_the_usual_one_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "_SYSTEM_FONTS", ("no-such-font.ttf",))
    fonts._font_name.cache_clear()
    assert fonts.font_for("快乐", 20) is fonts.font_for("sad", 20)
    fonts._font_name.cache_clear()
