from __future__ import annotations

import pytest

from rec_sys.dataset.readers.separators import Layout, find_layout

ROWS = [["user", "item", "rating", "text"], ["ann", "x", "5", "good, very"], ["bob", "y", "4", "fine; yes"]]


def layout(text: str) -> Layout:
    return find_layout(text.splitlines(keepends=True))


@pytest.mark.parametrize("separator", ["\t", "|", "::", "^", "~", "\x01"])
def test_separators(separator: str) -> None:
    found = layout("\n".join(separator.join(row) for row in ROWS))
    assert (found.separator, found.header, found.skipped) == (separator, tuple(ROWS[0]), 1)


def test_a_separator_within_texts_is_not_the_one() -> None:
    text = 'user;item;text\na;x;"one, two, three, four"\nb;y;"five, six, seven, eight"\n'
    assert layout(text).separator == ";"
    assert layout('user,item,text\na,x,"one; two"\nb,y,"three; four"\n').separator == ","


def test_excel_names_its_separator() -> None:
    assert layout("sep=;\nuser;item\na;x\n") == Layout(";", "doubled", ("user", "item"), 2)


def test_lines_above_the_header() -> None:
    found = layout("Report of reviews\n\nuser,item,rating\na,x,5\nb,y,4\n")
    assert (found.header, found.skipped) == (("user", "item", "rating"), 3)


@pytest.mark.parametrize(
    ("text", "quoting"),
    [
        ('u\ti\tt\na\tx\t"Great\nb\ty\tplain\n', "none"),  # a lone quote
        ('u\ti\tt\na\tx\t"Great" stuff\nb\ty\tplain\n', "none"),
        ('u\ti\tt\na\tx\t"He said ""hi"""\nb\ty\tplain\n', "doubled"),
        ('"u"\t"i"\t"t"\n"a"\t"x"\t"1"\n"b"\t"y"\t"2"\n', "doubled"),
        ('u\ti\tt\na\tx\t"two\nlines"\nb\ty\tplain\n', "doubled"),
        ('u,i,t\na,x,"He said \\"hi\\", twice"\nb,y,plain\n', "backslash"),
        ('u,i,t\na,x,"He said ""hi"", twice"\nb,y,plain\n', "doubled"),
    ],
)
def test_what_quotes_mean(text: str, quoting: str) -> None:
    assert layout(text).quoting == quoting


@pytest.mark.parametrize(
    "text", ["1::10::5::978300760\n2::20::3::978300761\n", "1\t10\t5\t97\n2\t20\t3\t98\n", "a,x,5\nb,y,4\n"]
)
def test_files_without_a_header(text: str) -> None:
    found = layout(text)
    assert (found.has_header, found.skipped) == (False, 0)
    assert found.header == tuple(str(place + 1) for place in range(len(found.header)))


@pytest.mark.parametrize("text", ["wer,was,wann\na,x,2018\nb,y,2019\n", "user,2018\na,5\nb,4\n"])
def test_names_nobody_knows_are_a_header_all_the_same(text: str) -> None:
    assert layout(text).has_header


def test_recbole() -> None:
    found = layout("user_id:token\titem_id:token\n1\t2\n")
    assert (found.atomic, found.quoting, found.header) == (True, "none", ("user_id", "item_id"))
