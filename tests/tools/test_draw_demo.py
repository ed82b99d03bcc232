"""Drawing the demo set: always the same faces, those that are shipped."""

import numpy as np
import pytest

from fer_core.dataset.demo.shipped import injected_errors, load_demo_set, write_demo_set
from fer_core.dataset.face_set import SPLITS
from fer_core.emotions import EMOTIONS
from tools.draw_demo import __main__ as draw_demo
from tools.draw_demo.assembly import make_demo_set, slightly_changed
from tools.draw_demo.objects import draw_object
from tools.draw_demo.planning import COUNTS, make_plan
from tools.draw_demo.rendering import draw_face, draw_portrait

#: Means of the 8x8 pixel tiles of one face.
KNOWN_TILES = [
    [162, 145, 154, 181, 202, 224],
    [147, 120, 168, 195, 194, 219],
    [135, 111, 128, 171, 152, 215],
    [130, 147, 167, 188, 226, 213],
    [153, 135, 142, 167, 208, 225],
    [177, 164, 163, 193, 230, 241],
]


def test_the_plan_is_that_of_the_shipped_set() -> None:
    shipped, plan = load_demo_set(), make_plan()
    assert np.array_equal(plan.labels, shipped.labels)
    assert np.array_equal(plan.splits, shipped.splits)
    assert plan.errors == injected_errors()
    assert {split: sum(COUNTS[split]) for split in SPLITS} == {
        split: len(shipped.rows(split)) for split in SPLITS
    }


def test_drawn_faces_equal_the_shipped_ones() -> None:
    faces, plan = load_demo_set(), make_plan()
    errors = plan.errors
    copies = (*errors.duplicates, *errors.conflicts, *errors.leaks, *errors.near_duplicates)
    others = {*(copy.row for copy in copies), *errors.blanks, *errors.non_faces}
    rows = [row for row in range(0, len(faces), 53) if row not in others]
    assert len(rows) > 50
    for row in rows:
        assert np.array_equal(faces.images[row], draw_face(EMOTIONS[plan.drawn[row]], row))
    for copy in errors.near_duplicates:
        changed = slightly_changed(faces.images[copy.source], copy.row)
        assert np.array_equal(faces.images[copy.row], changed)
    for number, row in enumerate(errors.non_faces):
        assert np.array_equal(faces.images[row], draw_object(number))


@pytest.mark.soak
def test_the_whole_drawn_set_equals_the_shipped_one() -> None:
    faces, errors = make_demo_set()
    shipped = load_demo_set()
    assert faces.fingerprint == shipped.fingerprint
    assert faces.names == shipped.names
    assert errors == injected_errors()


@pytest.mark.parametrize("is_equal", [True, False])
def test_the_command_compares_and_writes(
    is_equal: bool,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    faces, errors = load_demo_set(), injected_errors()
    if not is_equal:
        faces.images[7, 3, 5] ^= 1
    monkeypatch.setattr(draw_demo, "make_demo_set", lambda report: (faces, errors))
    monkeypatch.setattr("sys.argv", ["draw_demo"])
    assert draw_demo.main() == (0 if is_equal else 1)
    folder = tmp_path_factory.mktemp("written")
    monkeypatch.setattr(
        draw_demo, "write_demo_set", lambda faces, errors: write_demo_set(faces, errors, folder)
    )
    monkeypatch.setattr("sys.argv", ["draw_demo", "--write"])
    assert draw_demo.main() == 0
    assert {path.name for path in folder.iterdir()} == {"faces.png", "rows.json"}
    assert faces.fingerprint in capsys.readouterr().out


def test_drawn_pictures_match_known_values() -> None:
    """Rough on purpose: another machine or OpenCV may round an edge differently."""
    tiles = draw_face("happy", 100).reshape(6, 8, 6, 8).mean(axis=(1, 3))
    assert np.allclose(tiles, KNOWN_TILES, atol=2), tiles.round().astype(int).tolist()


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_portraits_come_in_any_size(emotion: str) -> None:
    portrait = draw_portrait(emotion, 3, size=97)
    assert portrait.shape == (97, 97)
    assert portrait.dtype == np.uint8
    assert portrait.std() > 20
    assert np.array_equal(portrait, draw_portrait(emotion, 3, size=97))


def test_an_emotion_that_does_not_exist_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="emotion should be one of angry"):
        draw_face("contempt", 0)


def test_a_near_duplicate_is_near_and_no_duplicate() -> None:
    face = draw_face("fear", 12)
    for number in range(20):
        changed = slightly_changed(face, number)
        assert not np.array_equal(changed, face)
        assert np.corrcoef(changed.ravel(), face.ravel())[0, 1] > 0.85
