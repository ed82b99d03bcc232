"""Tables for people: what a spreadsheet would run as a formula reaches it as text."""

import csv
import io

from fer_core.csv_text import csv_text


def test_a_formula_becomes_text_and_a_number_stays_one() -> None:
    cells = ['=HYPERLINK("http://x")', "@sum", "+1", "-0.5", "-", -0.5, None, "a-b", "two\nlines"]
    heading, row = csv.reader(io.StringIO(csv_text(["a"] * len(cells), [cells])))
    assert heading == ["a"] * len(cells)
    assert row == [
        '\'=HYPERLINK("http://x")',
        "'@sum",
        "+1",
        "-0.5",
        "'-",
        "-0.5",
        "",
        "a-b",
        "two\nlines",
    ]


def test_a_table_without_rows_is_its_heading() -> None:
    assert csv_text(["name", "count"], []) == "name,count\n"


def test_a_formula_in_the_name_of_a_class_becomes_text_in_the_heading() -> None:
    assert csv_text(["image", "=1+1"], [["a.png", 0.5]]) == "image,'=1+1\na.png,0.5\n"
