"""FER+'s votes: read, matched to images, and what they say."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.ferplus import VOTE_COLUMNS
from fer_core.dataset.votes import Votes, class_agreement, votes_findings
from fer_core.dataset.votes_file import (
    import_votes,
    match_votes,
    parse_votes,
    read_votes,
    remove_votes,
)
from fer_core.emotions import EMOTIONS8
from fer_core.errors import InputError

HEADER = "image,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,not_face\n"
OFFICIAL = (
    "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"
)


@pytest.fixture
def faces(draw_faces: Callable[..., FaceSet]) -> FaceSet:
    """Angry, happy and neutral in train, sad in validation."""
    drawn = draw_faces([0, 3, 6, 4], splits=["train", "train", "train", "validation"])
    names = ("train/angry/a.jpg", "train/happy/b.jpg", "train/neutral/c.jpg", "test/sad/d.jpg")
    return replace(drawn, names=names)


def matched(text: str, faces: FaceSet) -> Votes:
    return match_votes(parse_votes(text.encode(), "votes.csv"), faces, "votes.csv")


def test_figures_computed_by_hand(faces: FaceSet) -> None:
    votes = matched(
        HEADER
        + "train/angry/a.jpg,0,0,0,0,8,2,0,0,0,0\n"
        + "b.jpg,5,5,0,0,0,0,0,0,0,0\n"
        + "other/neutral/c.jpg,0,0,0,0,0,0,0,0,0,10\n",
        faces,
    )
    assert (votes.matched_count, votes.unmatched_count) == (3, 1)
    assert "3 of 4 images have votes" in votes.note
    # A clear answer; a tie; not one of the seven; no votes.
    assert votes.plurality.tolist() == [0, -1, -1, -1]
    np.testing.assert_allclose(votes.agreement, [0.8, 0.5, 1, np.nan], rtol=1e-6)
    np.testing.assert_allclose(votes.entropy, [0.721928, 1, 0, np.nan], rtol=1e-5)
    np.testing.assert_allclose(votes.label_share(faces.labels), [0.8, 0.5, 0, np.nan], rtol=1e-6)
    assert votes.not_face_votes.tolist() == [0, 0, 10, 0]
    assert votes.distribution(0) == dict.fromkeys(VOTE_COLUMNS, 0) | {"anger": 8, "disgust": 2}
    assert votes.distribution(3) == {}
    angry, disgust, *_ = class_agreement(faces, votes)
    assert (angry.voted_count, angry.agreeing_count, angry.share) == (1, 1, 1.0)
    assert angry.mean_label_share == pytest.approx(0.8)
    assert (disgust.voted_count, disgust.share, disgust.mean_label_share) == (0, None, None)
    assert all(one.voted_count == 0 for one in class_agreement(faces, votes, "validation"))


def test_findings_of_the_votes(faces: FaceSet) -> None:
    votes = matched(
        HEADER
        + "a.jpg,9,0,0,0,1,0,0,0,0,0\n"
        + "b.jpg,4,3,3,0,0,0,0,0,0,0\n"
        + "c.jpg,0,0,0,0,0,0,0,0,2,8\n"
        + "d.jpg,0,0,0,10,0,0,0,0,0,0\n",
        faces,
    )
    found = votes_findings(faces, votes)
    assert found["disputed"].rows.tolist() == [1]
    assert found["disputed"].reasons == ("4 neutral, 3 happiness, 3 surprise",)
    assert found["outvoted"].rows.tolist() == [0]
    assert found["outvoted"].suggested.tolist() == [6]
    assert found["not_face_votes"].rows.tolist() == [2]
    assert found["not_face_votes"].scores[0] == pytest.approx(0.8)


def test_exact_copies_of_a_voted_image_have_its_votes(faces: FaceSet) -> None:
    images = faces.images.copy()
    images[1] = images[3] = images[0]
    copies = replace(faces, images=images)
    line = "a.jpg,0,0,0,0,10,0,0,0,0,0\n"
    votes = matched(HEADER + line + line, copies)  # named twice: it counts once
    assert votes.total.tolist() == [10, 10, 0, 10]
    assert "2 of them as exact copies" in votes.note
    disagreeing = matched(HEADER + line + "b.jpg,0,10,0,0,0,0,0,0,0,0\n", copies)
    assert disagreeing.total.tolist() == [10, 10, 0, 0]


def test_equal_file_names_are_distinguished_by_their_folder(faces: FaceSet) -> None:
    twins = replace(faces, names=("train/angry/a.jpg", "train/happy/a.jpg", "c.jpg", "d.jpg"))
    votes = matched(HEADER + "x/happy/a.jpg,0,9,0,0,0,0,0,0,0,0\n", twins)
    assert votes.total.tolist() == [0, 9, 0, 0]
    with pytest.raises(InputError, match="cannot be matched"):
        matched(HEADER + "a.jpg,0,9,0,0,0,0,0,0,0,0\n", twins)


def official(*rows: tuple[str, str]) -> str:
    return OFFICIAL + "".join(
        f"{usage},fer{number:07}.png,{counts}\n" for number, (usage, counts) in enumerate(rows)
    )


ROWS = (
    ("Training", "0,0,0,0,9,0,0,0,0,0"),
    ("Training", "0,9,0,0,0,0,0,0,0,0"),
    ("Training", "9,0,0,0,0,0,0,0,0,0"),
    ("PublicTest", "0,0,0,9,0,0,0,0,0,0"),
)


def test_the_official_file_fits_the_official_table(faces: FaceSet) -> None:
    # Line 1 of the table has the column names; their order does not depend on that of the rows.
    order = [2, 0, 3, 1]
    table = replace(faces, names=tuple(f"fer2013.csv:{row + 2}" for row in range(4))).subset(
        np.array(order)
    )
    votes = matched(official(*ROWS), table)
    assert votes.plurality.tolist() == table.labels.tolist() == [6, 0, 4, 3]
    assert "by their position in the table" in votes.note


def test_the_official_file_fits_the_official_folders(faces: FaceSet) -> None:
    named = replace(faces, names=tuple(f"FER2013Train/fer{row:07}.png" for row in range(4)))
    assert matched(official(*ROWS), named).plurality.tolist() == faces.labels.tolist()


def test_a_table_in_another_order_is_refused(faces: FaceSet) -> None:
    table = replace(faces, names=tuple(f"mine.csv:{row + 2}" for row in range(4)))
    with pytest.raises(InputError, match="cannot be matched"):  # the splits do not agree
        matched(official(*reversed(ROWS)), table)
    shifted = official(ROWS[1], ROWS[2], ROWS[0], ("PublicTest", "9,0,0,0,0,0,0,0,0,0"))
    with pytest.raises(InputError, match=r"in another order.*only 0 %"):
        matched(shifted, table)


def test_a_broken_line_is_counted_and_keeps_its_place(faces: FaceSet) -> None:
    text = official(*ROWS).replace("0,9,0,0,0,0,0,0,0,0", "0,many,0,0,0,0,0,0,0,0")
    table = replace(faces, names=tuple(f"fer2013.csv:{row + 2}" for row in range(4)))
    votes = matched(text, table)
    assert votes.total.tolist() == [9, 0, 9, 9]
    assert "1 lines could not be read (votes.csv, line 3: " in votes.note


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"image,neutral\n", "lacks happiness"),
        (b"\xff\xfe\x00", "not text in UTF-8"),
        (b"image," * 40_000, "lacks neutral"),
        (b"i" * 200_000, "first line cannot be read"),
        (HEADER.encode(), "has no rows"),
        (HEADER.encode() + b"a.jpg,-1,0,0,0,0,0,0,0,0,0\n", "line 2: votes should be numbers"),
    ],
)
def test_files_without_votes_are_refused(content: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_votes(content, "votes.csv")


def test_votes_are_stored_with_the_dataset(tmp_path: Path, faces: FaceSet) -> None:
    content = (HEADER + "a.jpg,0,0,0,0,8,2,0,0,0,0\n").encode()
    with pytest.raises(InputError, match="no longer exists"):
        import_votes(content, "votes.csv", tmp_path / "gone", faces)
    (tmp_path / "dataset.json").write_text("{}")
    assert read_votes(tmp_path, faces) is None
    votes = import_votes(content, "votes.csv", tmp_path, faces)
    again = read_votes(tmp_path, faces)
    assert again is not None
    np.testing.assert_array_equal(again.counts, votes.counts)
    assert (again.source, again.note) == ("votes.csv", votes.note)
    with pytest.raises(InputError, match="belong to other images"):
        read_votes(tmp_path, faces.subset(np.array([1, 0, 2, 3])))
    (tmp_path / "votes.npz").write_bytes(b"torn")
    with pytest.raises(InputError, match="damaged"):
        read_votes(tmp_path, faces)
    remove_votes(tmp_path)
    remove_votes(tmp_path)
    assert read_votes(tmp_path, faces) is None


@pytest.mark.soak
def test_the_real_votes_have_the_published_agreement(real_data: Path, real_faces: FaceSet) -> None:
    content = (real_data / "ferplus_votes.csv").read_bytes()
    votes = match_votes(parse_votes(content, "votes"), real_faces, "votes")
    # The file has votes for 32,137 images; three have copies that were voted on differently.
    assert votes.matched_count == 32_134
    columns = np.array([4, 5, 6, 1, 3, 2, 0])[real_faces.labels]
    agreeing = votes.counts.argmax(axis=1) == columns
    assert agreeing[votes.has_votes].mean() == pytest.approx(0.627, abs=2e-3)


def test_contempt_counts_where_it_is_a_class(faces: FaceSet) -> None:
    text = HEADER + "a.jpg,0,0,0,0,3,0,0,7,0,0\n" + "b.jpg,0,9,0,0,0,0,0,1,0,0\n"
    assert matched(text, faces).plurality.tolist() == [-1, 3, -1, -1]
    eight = replace(faces, classes=EMOTIONS8)
    votes = matched(text, eight)
    assert votes.plurality.tolist() == [7, 3, -1, -1]
    assert [one.class_name for one in class_agreement(eight, votes)] == list(EMOTIONS8)
    assert votes_findings(eight, votes)["outvoted"].suggested.tolist() == [7]


def test_classes_in_the_words_of_a_folder_have_votes(faces: FaceSet) -> None:
    named = replace(faces, classes=("Anger", "b", "c", "Happiness", "Sadness", "e", "Neutral"))
    with pytest.raises(InputError, match="this dataset has the class 'b'"):
        matched(HEADER + "a.jpg,0,0,0,0,9,0,0,0,0,0\n", named)
    four = replace(
        faces,
        labels=np.array([0, 1, 2, 3], np.int8),
        classes=("Anger", "Happiness", "Neutral", "Sadness"),
    )
    votes = matched(HEADER + "a.jpg,0,0,0,0,9,0,0,0,0,0\nb.jpg,0,0,9,0,0,0,0,0,0,0\n", four)
    # Surprise is not a class of these data.
    assert votes.plurality.tolist() == [0, -1, -1, -1]


def test_votes_for_another_class_list_are_refused_in_one_sentence(
    faces: FaceSet, tmp_path: Path
) -> None:
    pets = replace(faces, classes=("cat", "dog", "cow", "pig", "hen", "fox", "owl"))
    content = (HEADER + "a.jpg,0,0,0,0,9,0,0,0,0,0\n").encode()
    with pytest.raises(InputError, match="this dataset has the class 'cat'") as raised:
        import_votes(content, "votes.csv", tmp_path, pets)
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []
