"""The space that pages reserve for elements while the browser loads them."""

import re

import pytest

from fer_core.settings import PROJECT_ROOT
from fer_studio.ui.frame import ASSETS
from fer_studio.ui.tables import table_height
from fer_studio.ui.video.picture_place import nearest_shape

CSS = (ASSETS / "app.css").read_text(encoding="utf-8")


@pytest.mark.parametrize(("rows", "height"), [(0, 73), (1, 73), (3, 143), (100, 320)])
def test_a_table_has_the_height_of_its_rows_up_to_a_maximum(rows: int, height: int) -> None:
    assert table_height(rows, maximum=320) == height


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        ((1920, 1080), "16-9"),
        ((640, 480), "4-3"),
        ((720, 480), "3-2"),
        ((500, 510), "1-1"),
        ((600, 800), "3-4"),
        ((720, 1280), "9-16"),
        ((2560, 1080), "16-9"),
    ],
)
def test_a_video_gets_the_most_similar_shape_of_the_styles(
    size: tuple[int, int], shape: str
) -> None:
    assert nearest_shape(*size) == shape
    assert f'[class*="_shape_{shape}"]' in CSS


def test_every_key_in_the_styles_is_the_key_of_an_element() -> None:
    folders = (PROJECT_ROOT / "fer_studio", PROJECT_ROOT / "pages")
    code = "\n".join(
        path.read_text(encoding="utf-8") for folder in folders for path in folder.rglob("*.py")
    )
    keys = set(re.findall(r'"([a-z_0-9]+)"', code))
    prefixes = set(re.findall(r'f"([a-z_0-9]+)\{', code))
    styled = set(re.findall(r"st-key-([a-z_0-9]+)", CSS))
    assert len(styled) > 40
    unknown = {
        key
        for key in styled
        if key not in keys and not any(key.startswith(prefix) for prefix in prefixes)
    }
    assert not unknown
