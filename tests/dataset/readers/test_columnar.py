"""Files in frames of columns: the same rows, lines and faults as row by row, whichever way is taken."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest

from rec_sys.dataset.readers import columnar
from rec_sys.dataset.readers.columnar import BROKEN, LINE, Columnar, SpanningQuotes
from rec_sys.dataset.readers.rows import RawFile

TEXTS = {
    "plain": "a,b,c\n1,2,3\n4,5,6\n",
    "blank lines": "a,b,c\n\n1,2,3\n,,\n4,5,6\n\n",
    "no end": "a,b,c\n1,2,3\n4,5,6",
    "carriage returns": "a,b,c\r\n1,2,3\r\n4,5,6\r\n",
    "quotes": 'a,b,c\n1,"2, and more",3\n4,"say ""so""",6\n"7","8","9"\n',
    "short and long rows": "a,b,c\n1,2\n1,2,3,4\n1,2,3,,\n4,5,6\n",
    "tabs with quotes that mean nothing": 'a\tb\tc\n1\t5" wide\t3\n4\t5\t6\n7\t8\t9\n',
    "two signs": "7::2::5::978300760\n7::3::4::978300761\n8::2::3::978300762\n",
    "a mark": "\ufeffa,b,c\n1,2,3\n",
    "a preamble": "Report of today\n\ncustomer_id,product_id,date\n1,2,2020-01-01\n3,4,2020-01-02\n5,6,2020-01-03\n",
    "letters": "a,b,c\nJosé,2,3\n王,5,6\n",
}


def by_rows(file: RawFile) -> list[tuple[object, ...]]:
    """Line, and the fields or "broken"."""
    return [(row.line, row.fields if isinstance(row.fields, dict) else "broken") for row in file.rows()]


def by_columns(reader: Columnar) -> list[tuple[object, ...]]:
    frames = list(reader.frames())
    found: list[tuple[object, ...]] = []
    for row in pl.concat(frames).iter_rows(named=True):
        fields = {name: row[name] for name in reader.header}
        found.append((row[LINE], "broken" if row[BROKEN] else fields))
    return found


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
def test_lines_are_those_of_the_reader_of_rows(
    tmp_path: Path, name: str, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = TEXTS[name].encode()
    (tmp_path / "file").write_bytes(gzip.compress(raw) if packed else raw)
    for block in (7, 1 << 20):  # also blocks that end within lines and letters
        monkeypatch.setattr(columnar, "BLOCK", block)
        reader = Columnar(RawFile(tmp_path / "file"))
        assert reader.way == "lines"
        rows = RawFile(tmp_path / "file")
        assert by_columns(reader) == by_rows(rows)
        assert reader.blank == rows.blank


@pytest.mark.parametrize(
    "text", ['a,b,c\n1,"two\nlines",3\n4,5,6\n', 'a,b,c\n1,"never closed,3\n4,5,6\n7,8,9\n'], ids=["spanning", "open"]
)
def test_quotes_in_doubt_are_read_row_by_row(tmp_path: Path, text: str) -> None:
    (tmp_path / "file").write_text(text)
    reader = Columnar(RawFile(tmp_path / "file"))
    with pytest.raises(SpanningQuotes):
        list(reader.frames())
    reader.way = "rows"
    assert by_columns(reader) == by_rows(RawFile(tmp_path / "file"))


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    frame = pl.DataFrame({"user": [1, 2], "price": [1.5, None], "when": ["2020-01-01", "2020-01-02"]})
    frame.with_columns(pl.col("when").str.to_date()).write_parquet(tmp_path / "file")
    (found,) = Columnar(RawFile(tmp_path / "file")).frames(["when", "user"])
    assert found.columns[3:] == ["when", "user"]
    assert found[LINE].to_list() == [1, 2]
    assert found.schema["when"] == pl.Date
    assert found["user"].to_list() == [1, 2]


def test_json_with_fields_inside_fields(tmp_path: Path) -> None:
    (tmp_path / "file").write_text('{"user": {"id": 7}, "n": 1.0}\n{"user": {"id": 8}, "n": null, "tags": ["a"]}\n')
    reader = Columnar(RawFile(tmp_path / "file"))
    (found,) = reader.frames()
    assert reader.header == ["user.id", "n", "tags"]
    assert found.select("user.id", "n", "tags").rows() == [("7", "1", None), ("8", None, '["a"]')]
