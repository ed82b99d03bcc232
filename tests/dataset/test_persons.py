"""File names and folders that name the person, and others that only look like it."""

import pytest

from fer_core.dataset.persons import Person, person_from_path


@pytest.mark.parametrize(
    ("path", "name", "source"),
    [
        ("happy/S010_004_00000017.png", "S010", "file names of CK+"),
        ("S010_006_00000015_png.rf.0123.jpg", "S010", "file names of CK+"),
        ("KA.AN1.39.tiff", "KA", "file names of JAFFE"),
        ("AF01ANS.JPG", "F01", "file names of KDEF"),
        ("BF01HAFL.JPG", "F01", "file names of KDEF"),
        ("Rafd090_01_Caucasian_female_angry_frontal.jpg", "01", "file names of RaFD"),
        ("004_o_m_a_a.jpg", "004", "file names of FACES"),
        ("01F_AN_C.BMP", "01F", "file names of NimStim"),
        ("01F_SU_O.BMP", "01F", "file names of NimStim"),
        ("CFD-WM-001-014-HC.jpg", "WM-001", "file names of CFD"),
        ("subject01.happy.gif", "subject 1", "numbered file names"),
        ("Person_7/happy/x.png", "person 7", "numbered folders"),
        ("happy/person-07/x.png", "person 7", "numbered folders"),
    ],
)
def test_known_names(path: str, name: str, source: str) -> None:
    assert person_from_path(path) == Person(name, source)


@pytest.mark.parametrize(
    "path",
    [
        "train/angry/Training_3908.jpg",
        "PrivateTest_88305.jpg",
        "fer0000001.png",
        "fer2013.csv:17",
        "happy/0001.png",
        "S010.png",
        "S010_004_000000171.png",
        "KA.XX1.39.tiff",
        "AF01ANSWER.jpg",
        "person.png",
        "persons/x.png",
    ],
)
def test_other_names_reveal_nobody(path: str) -> None:
    assert person_from_path(path) is None
