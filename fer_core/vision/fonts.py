"""Choose fonts for labels on pictures. The names of classes may be in any script."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

#: Fonts of common operating systems, in their usual folders. The first one that has all characters
#: of a text is used.
_SYSTEM_FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKsc-Regular.otf",
    "wqy-microhei.ttc",
    "Arial Unicode.ttf",
    "PingFang.ttc",
    "msyh.ttc",
    "msgothic.ttc",
    "malgun.ttf",
    "seguisym.ttf",
)
#: Font size in pixels at which glyphs are compared.
_TEST_SIZE = 24
#: A code point that no font contains. Its glyph is the one that a font draws for every missing
#: character.
_NO_CHARACTER = "\U0010fffe"


def font_for(text: str, size: int) -> Font:
    """Return a font that has all characters of a text; Pillow's default font if no font has them.

    Args:
        text: One line.
        size: Font size in pixels.
    """
    if text.isascii():
        return _font(None, size)
    return _font(_font_name(text), size)


@lru_cache(maxsize=512)
def _font_name(text: str) -> str | None:
    """Return the first font that has all characters of a text; None means Pillow's default font."""
    for name in (None, *_SYSTEM_FONTS):
        if _has_characters(name, text):
            return name
    return None


def _has_characters(name: str | None, text: str) -> bool:
    """Return True if a font is installed and has all characters of a text.

    Args:
        name: File name of the font; None for Pillow's default font.
        text: The text.
    """
    try:
        font = _font(name, _TEST_SIZE)
    except OSError:  # it is not installed
        return False
    missing_glyph = bytes(font.getmask(_NO_CHARACTER))
    # Check only letters, numbers, punctuation and symbols, because marks and joiners have no glyph
    # of their own.
    visible = [character for character in text if unicodedata.category(character)[0] in "LNPS"]
    return all(
        character.isascii() or bytes(font.getmask(character)) != missing_glyph
        for character in visible
    )


@lru_cache(maxsize=64)
def _font(name: str | None, size: int) -> Font:
    """Load a font. The name None means Pillow's default font.

    Raises:
        OSError: The font is not installed.
    """
    # The fonts are cached, because loading a font takes longer than drawing with it, and a stream
    # draws 30 times a second.
    return ImageFont.load_default(size=size) if name is None else ImageFont.truetype(name, size)
