"""Writes a draft as a file: text with separators, JSON in several shapes, Parquet or a workbook."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.mutants_lines import break_record
from benchmarks.mutants_table import Draft

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "colons": "::"}
QUOTED = tuple(
    f"csv {name} {quoting}" for name in ("comma", "semicolon", "tab", "pipe") for quoting in ("minimal", "all")
)
UNQUOTED = ("csv tab none", "csv colons none", "csv pipe none")
DELIMITED = (*QUOTED, "csv comma backslash", *UNQUOTED)
JSON = ("json lines", "json array", "json array, indented", "json document", "json columns", "json split")
BINARY = ("parquet", "workbook")
CONTAINERS = (*DELIMITED, *JSON, *BINARY)
IN_LINES = (*DELIMITED, "json lines")


def write(draft: Draft, path: Path) -> None:
    """Write the file; what the container cannot hold is changed in the rows and in what must come out.

    Raises:
        UnicodeEncodeError: the encoding does not have a letter.
    """
    if draft.container in BINARY:
        (_parquet if draft.container == "parquet" else _workbook)(draft, path)
        return
    text = _delimited(draft) if draft.container in DELIMITED else _json(draft)
    raw = text.encode(draft.encoding)
    if draft.packed:
        raw = gzip.compress(raw, mtime=0)
        raw = raw[: len(raw) * 2 // 3] if draft.cut_packed else raw
    path.write_bytes(raw)


def columns_of(draft: Draft) -> list[str]:
    """Fields and extra columns in the order in which they are written."""
    found = list(dict.fromkeys(name for row in draft.rows for name in row))
    return draft.column_order or found


def name_of(draft: Draft, column: str) -> str:
    return draft.names.get(column, column)


def _delimited(draft: Draft) -> str:
    _, separator, quoting = draft.container.split()
    between = SEPARATORS[separator]
    if quoting == "none":
        _on_one_line(draft, between)
    columns = columns_of(draft)
    records = [[name_of(draft, column) for column in columns]] if draft.header else []
    records += [[_as_text(row.get(column), draft.inner_end) for column in columns] for row in draft.rows]
    lines = [_record(fields, between, quoting) for fields in records]
    if draft.broken:
        lines = break_record(draft, lines, records, columns, between)
    lines = [*draft.above, *lines]
    if draft.blank_lines:
        for place in sorted(draft.rng.sample(range(1, len(lines)), 3), reverse=True):
            lines.insert(place, "")
        lines += ["", ""]
    return draft.line_end.join(lines) + draft.line_end * draft.last_end


def _record(fields: list[str], separator: str, quoting: str) -> str:
    if quoting == "none":
        return separator.join(fields)
    out = io.StringIO()
    if quoting == "backslash":
        csv.writer(
            out, delimiter=separator, lineterminator="\r\n", doublequote=False, escapechar="\\", quoting=csv.QUOTE_ALL
        ).writerow(fields)
    else:
        csv.writer(
            out,
            delimiter=separator,
            lineterminator="\r\n",
            quoting=csv.QUOTE_ALL if quoting == "all" else csv.QUOTE_MINIMAL,
        ).writerow(fields)
    return out.getvalue().removesuffix("\r\n")


def _on_one_line(draft: Draft, separator: str) -> None:
    """Texts without line ends and separators."""
    for place, (row, truth) in enumerate(zip(draft.rows, draft.truth, strict=True)):
        raw = {key: _cleaned(value, separator) for key, value in row.items() if isinstance(value, str)}
        # Tags that end a line still do so.
        title = f"{row['title']}\n" if "title" in row else ""
        text = title + _cleaned(truth.text.removeprefix(title), separator)
        text = truth.text if row["text"] == raw["text"] else text
        draft.rows[place] = {**row, **raw}
        draft.truth[place] = replace(
            truth,
            user=_cleaned(truth.user, separator),
            product=_cleaned(truth.product, separator),
            text=text,
        )


def _cleaned(value: str, separator: str) -> str:
    return value.replace("\n", " / ").replace(separator, "/")


def _as_text(value: Any, line_end: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return value.replace("\n", line_end) if line_end != "\n" else value
    return str(value)


def _json(draft: Draft) -> str:
    columns = columns_of(draft)
    rows = [{name_of(draft, column): row[column] for column in columns if column in row} for row in draft.rows]
    ascii_only = draft.rng.random() < 0.3

    def dumped(value: Any, indent: int | None = None) -> str:
        return json.dumps(value, ensure_ascii=ascii_only, indent=indent)

    if draft.container == "json lines":
        lines = list(map(dumped, rows))
        if draft.broken:
            lines = break_record(draft, lines, [], columns, "")
        return draft.line_end.join(lines) + draft.line_end * draft.last_end
    if draft.container == "json columns":
        places = {name: {str(place): row.get(name) for place, row in enumerate(rows)} for name in rows[0]}
        text = dumped(places)
    elif draft.container == "json split":
        names = list(rows[0])
        text = dumped({"columns": names, "data": [[row.get(name) for name in names] for row in rows]})
    elif draft.container == "json document":
        text = dumped({"shop": "tea", "count": len(rows), "reviews": rows})
    else:
        text = dumped(rows, 2 if "indented" in draft.container else None)
    return text[: int(len(text) * draft.rng.uniform(0.3, 0.95))] if draft.broken else text


def _parquet(draft: Draft, path: Path) -> None:
    columns = {}
    for column in columns_of(draft):
        values = [row.get(column) for row in draft.rows]
        kinds = {type(value) for value in values if value is not None}
        if len(kinds) > 1:
            values = [float(value or 0) for value in values] if kinds <= {int, float} else list(map(str, values))
        if any(isinstance(value, int) and abs(value) >= 1 << 63 for value in values):
            values = list(map(str, values))
        columns[name_of(draft, column)] = pa.array(values)
    pq.write_table(pa.table(columns), path)


_SHEET = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}</sheetData></worksheet>'
)
_PARTS = {
    "[Content_Types].xml": '<?xml version="1.0" encoding="UTF-8"?><Types xmlns="http://schemas.openxmlformats.org/'
    'package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.'
    'relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/'
    'worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>'
    "</Types>",
    "_rels/.rels": '<?xml version="1.0" encoding="UTF-8"?><Relationships xmlns="http://schemas.openxmlformats.org/'
    'package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
    'relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": '<?xml version="1.0" encoding="UTF-8"?><workbook xmlns="http://schemas.openxmlformats.org/'
    'spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>'
    '<sheet name="reviews" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": '<?xml version="1.0" encoding="UTF-8"?><Relationships xmlns="http://schemas.'
    'openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/'
    'officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
}


def _workbook(draft: Draft, path: Path) -> None:
    columns = columns_of(draft)
    table: list[list[Any]] = [[name_of(draft, column) for column in columns]]
    table += [[row.get(column) for column in columns] for row in draft.rows]
    write_workbook(path, table)


def write_workbook(path: Path, table: list[list[Any]]) -> None:
    """The smallest workbook that holds a table."""
    rows = "".join(
        f'<row r="{number}">{"".join(_cell(place, number, value) for place, value in enumerate(row))}</row>'
        for number, row in enumerate(table, 1)
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in _PARTS.items():
            archive.writestr(name, content)
        archive.writestr("xl/worksheets/sheet1.xml", _SHEET.format(rows))


def _cell(place: int, number: int, value: Any) -> str:
    where = f"{chr(65 + place)}{number}"
    if value is None:
        return ""
    if isinstance(value, bool):
        return f'<c r="{where}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, int | float):
        return f'<c r="{where}"><v>{value!r}</v></c>'
    return f'<c r="{where}" t="inlineStr"><is><t xml:space="preserve">{escape(str(value))}</t></is></c>'
