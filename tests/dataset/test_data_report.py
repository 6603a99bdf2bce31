"""The page of `prepare` as a browser would read it."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from rec_sys.dataset import prepare
from rec_sys.dataset.data_report import data_page, write_data_report
from tests.dataset.test_description import ROWS, described

HOSTILE = '<script>alert("1")</script>'
VOID = {"meta", "img"}


@dataclass
class Page(HTMLParser):
    """What stands in a page."""

    html: str
    tags: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    handlers: list[str] = field(default_factory=list)
    cells: list[str] = field(default_factory=list)
    words: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[str] = []
        self.feed(self.html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        if tag not in VOID:
            self._open.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "td":
            self.cells[-1] += data
        if self._open and self._open[-1] != "style":
            self.words += data


def test_the_page_says_the_figures_and_the_warnings(tmp_path: Path) -> None:
    found = described(tmp_path, ROWS)
    page = Page(data_page(found))
    for name, count, _ in found.prepared.account(with_columns=False):
        assert page.cells[page.cells.index(name.strip()) + 1] == ("" if count is None else f"{count:,}")
    place = page.cells.index("users", page.cells.index("users") + 1)
    assert page.cells[place + 1 : place + 7] == ["3", "2", "3", "1", "1", "1"]
    assert found.warnings
    for warning in found.warnings:
        assert warning in page.words
    assert page.words.index(found.warnings[0]) < page.words.index("Found, kept, left out")
    assert found.enough in page.words


def test_columns_have_an_example_and_rejects_too(tmp_path: Path) -> None:
    rows = [f"{row},blue" for row in ROWS]
    cells = Page(
        data_page(described(tmp_path, rows, "user_id,product_id,rating,date,title,text,product_name,color"))
    ).cells
    place = cells.index("color")
    assert cells[place - 1 : place + 2] == ["not read", "color", "blue"]
    place = cells.index("title")
    assert cells[place : place + 3] == ["title", "title", "Good"]
    place = cells.index("14.3%")
    assert cells[place - 2 : place + 2] == ["rating is not a number", "1", "14.3%", "7"]
    assert "bad" in cells[place + 2]


def test_what_stands_in_the_file_stays_text(tmp_path: Path) -> None:
    quoted = '"' + HOSTILE.replace('"', '""') + '"'
    rows = [f"{quoted},{quoted},5,2020-01-0{day},{quoted},<img src=x onerror=alert(1)>" for day in range(1, 5)]
    rows.append(f"{quoted},{quoted},<b>bad,2020-01-09,,")
    head = "user_id,product_id,rating,date,text,<script>alert(1)</script>"
    page = Page(data_page(described(tmp_path, rows, head)))
    assert "script" not in page.tags
    assert "b" not in page.tags
    assert page.handlers == []
    assert HOSTILE in page.cells
    assert "<script>alert(1)</script>" in page.cells
    assert "<img src=x onerror=alert(1)>" in page.cells
    assert any("<b>bad" in cell for cell in page.cells)


def test_nothing_is_fetched_and_the_pictures_are_whole(tmp_path: Path) -> None:
    page = Page(data_page(described(tmp_path, ROWS)))
    assert len(page.addresses) == 6  # ratings, months, users, products, lengths, scripts
    for address in page.addresses:
        kind, _, data = address.partition(",")
        assert kind == "data:image/svg+xml;base64"
        picture = ElementTree.fromstring(base64.b64decode(data))
        assert picture.tag == "{http://www.w3.org/2000/svg}svg"
    assert re.findall(r"url\(|@import", page.html) == []


def test_without_dates_and_ratings_the_page_says_so(tmp_path: Path) -> None:
    page = Page(data_page(described(tmp_path, ["ann,tea", "bob,tea"], "user,item", interactions=True)))
    assert len(page.addresses) == 2
    for words in ("No dates", "No ratings", "No texts"):
        assert words in page.words


def test_without_matplotlib_the_page_has_no_plots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    page = Page(data_page(described(tmp_path, ROWS)))
    assert page.addresses == []
    assert "matplotlib is not installed" in page.words


def test_the_file_is_written_whole_beside_what_was_prepared(tmp_path: Path) -> None:
    found = described(tmp_path, ROWS)
    path = write_data_report(found)
    assert path == found.prepared.folder / "report.html"
    assert path.read_text(encoding="utf-8") == data_page(found)
    assert [part.name for part in path.parent.iterdir() if part.name.startswith(".")] == []


def test_the_command_prints_where_the_page_is_and_needs_no_torch(tmp_path: Path) -> None:
    raw = tmp_path / "shop.csv"
    raw.write_text("\n".join(["user_id,product_id,rating,date", "ann,tea,5,2020-01-05"]) + "\n")
    code = (
        f"import sys; from rec_sys.dataset import prepare; sys.argv[1:] = ['data.path={raw}', 'paths.work_dir=work']; "
        f"prepare.main(); assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    path = re.search(r"^report +(.+)$", done.stdout, re.MULTILINE)
    assert path is not None
    assert (tmp_path / path[1]).read_text().startswith("<!DOCTYPE html>")


def test_a_refused_reading_is_one_line_that_names_the_rows_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = tmp_path / "shop.csv"
    rows = [f"u{number},p{number},5,2020-99-{number:02d}" for number in range(40)] + ["u,p,5,2020-01-05"] * 2
    raw.write_text("\n".join(["user_id,product_id,rating,date", *rows]) + "\n")
    monkeypatch.setattr(sys, "argv", ["prepare", f"data.path={raw}", f"paths.work_dir={tmp_path}"])
    with pytest.raises(SystemExit) as stop:
        prepare.main()
    shown = capsys.readouterr()
    assert stop.value.code == 2
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    (listed,) = (tmp_path / "data/prepared").glob("*-rejects.jsonl")
    assert line.startswith("error: ")
    assert str(listed) in line
    assert len(listed.read_bytes().splitlines()) == 41
