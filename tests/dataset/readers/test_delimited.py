"""Quotes that go wrong cost their own line and no other; every physical line is in exactly one row."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_sys.dataset.readers.delimited import Delimited, Looks
from rec_sys.dataset.readers.row import Row
from rec_sys.dataset.readers.separators import fields_of, find_layout

HEADER = ["user", "item", "text", "rating"]


def read(text: str) -> tuple[list[Row], Delimited]:
    lines = text.split("\n")
    layout = find_layout([line + "\n" for line in (lines if lines[-1] else lines[:-1])])
    reader = Delimited(layout, Looks.learned([line + "\n" for line in lines[layout.skipped :]], layout))
    rows = list(reader.rows(io.StringIO(text, newline="\n")))
    total = len(lines) - (not lines[-1])
    assert layout.skipped + reader.blank + sum(row.lines for row in rows) == total
    return rows, reader


def table(separator: str = ",", count: int = 40, quoting: int = csv.QUOTE_MINIMAL) -> list[str]:
    """Physical lines of a good file, without line ends within fields."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator="\n", quoting=quoting)  # type: ignore[arg-type]
    writer.writerow(HEADER)
    for number in range(count):
        writer.writerow([f"u{number % 7}", f"p{number}", f"Fine, number {number}", 1 + number % 5])
    return out.getvalue().splitlines(keepends=True)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("line", [1, 7, 39, 40])
def test_one_lone_quote(separator: str, line: int) -> None:
    lines = table(separator)
    place = 2
    fields = fields_of(lines[line], separator, "doubled")
    fields[place] = '"' + fields[place].replace(",", "")
    lines[line] = separator.join(fields) + "\n"
    rows, _ = read("".join(lines))
    assert [row.fields for row in rows if isinstance(row.fields, str)] == []
    assert len(rows) == 40
    assert [row.fields["item"] for row in rows if isinstance(row.fields, dict)] == [f"p{n}" for n in range(40)]
    assert rows[line - 1].fields["text"] == fields[place]  # type: ignore[index]


def test_two_lone_quotes_that_close_each_other() -> None:
    lines = table(";")
    lines[5] = 'u1;p4;"opened;1\n'
    lines[9] = 'u1;p8;closed";1\n'
    rows, reader = read("".join(lines))
    assert [row.fields["item"] for row in rows if isinstance(row.fields, dict)] == [f"p{n}" for n in range(40)]
    assert reader.stray_quotes == 1


def test_texts_over_several_lines_stay_whole() -> None:
    lines = table()
    lines[5] = 'u1,p4,"first\nsecond, with commas, and more\n\nlast",1\n'
    lines[6] = 'u1,p5,"one\ntwo",1\n'
    rows, reader = read("".join(lines))
    assert rows[4].fields["text"] == "first\nsecond, with commas, and more\n\nlast"  # type: ignore[index]
    assert (rows[4].line, rows[4].lines, rows[5].line, rows[5].lines) == (6, 4, 10, 2)
    assert (len(rows), reader.stray_quotes) == (40, 0)


def test_a_text_over_lines_in_the_first_column() -> None:
    text = "text,user,rating\n" + "".join(f'"line one\nline two",u{n},{n % 5}\n' for n in range(20))
    rows, _ = read(text)
    assert [(row.lines, row.fields["text"]) for row in rows] == [(2, "line one\nline two")] * 20  # type: ignore[index]


def test_a_line_that_cannot_be_read_costs_itself() -> None:
    lines = table()
    lines[5] = 'u1,p4,"opened, and more,1\n'
    rows, _ = read("".join(lines))
    (broken,) = [row for row in rows if isinstance(row.fields, str)]
    assert (broken.line, broken.lines) == (6, 1)
    assert len(rows) == 40


def test_blank_lines_and_separators_at_the_end_are_nothing() -> None:
    lines = table()
    lines[5:5] = ["\n", ",,,\n"]
    lines[9] = lines[9].replace("\n", ",\n")
    rows, reader = read("".join(lines))
    assert ([row.line for row in rows[:6]], reader.blank, len(rows)) == ([2, 3, 4, 5, 8, 9], 2, 40)


def test_a_name_that_comes_twice() -> None:
    rows, _ = read("a,b,a\n1,2,3\n")
    assert rows == [Row(2, {"a": "1", "b": "2", "a_2": "3"})]


@given(
    st.lists(
        st.lists(st.text(st.sampled_from('ab ",;\n\t\\é'), max_size=8), min_size=3, max_size=3), min_size=1, max_size=30
    )
)
def test_whatever_comes_every_physical_line_is_in_one_row(fields: list[list[str]]) -> None:
    read("user,item,text\n" + "\n".join(",".join(row) for row in fields))


@given(
    st.lists(
        st.tuples(
            st.from_regex("[a-z]{3}[0-9]{2}", fullmatch=True), st.integers(1, 5), st.text("ab ,;'\"é\n.", max_size=40)
        ),
        min_size=3,
        max_size=30,
    )
)
def test_what_the_csv_module_writes_comes_back(rows: list[tuple[str, int, str]]) -> None:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["user", "rating", "text"])
    writer.writerows(rows)
    found, _ = read(out.getvalue())
    expected = [{"user": user, "rating": str(rating), "text": text} for user, rating, text in rows]
    assert [row.fields for row in found] == expected
