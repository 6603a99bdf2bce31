"""Mutated files as bytes: text with separators, JSON of several shapes, Parquet, a workbook."""

from __future__ import annotations

import gzip
import io
import json
import random
import zipfile
from datetime import datetime
from typing import Any
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.mutants.file import SEPARATORS, MutatedFile
from benchmarks.mutants.table import DAY

EXCEL_EPOCH = datetime(1899, 12, 30)
_MARKS = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}


def content(file: MutatedFile, generator: random.Random) -> bytes:
    """The bytes of the file."""
    if file.container == "Parquet":
        raw = _parquet(file)
    elif file.container == "xlsx":
        raw = _workbook(file)
    else:
        text = _document(file, generator) if not file.in_lines else _lines(file, generator)
        middle = text.index(file.line_end, len(text) // 2) if file.half else len(text)
        raw = _MARKS.get(file.encoding, b"") + text[:middle].encode(file.encoding)
        raw += text[middle:].encode(file.half or "ascii")
    if file.packed:
        size = -(-len(raw) // file.members)
        raw = b"".join(gzip.compress(raw[at : at + size], 1, mtime=0) for at in range(0, len(raw), size))
    return raw[: -file.cut] if file.cut > 0 else raw


def quoted(value: object, file: MutatedFile) -> str:
    """A value as a field of a line."""
    text = _as_text(value)
    if file.quoting == "none":
        return text
    if file.quoting == "single":
        return "'" + text.replace("'", "''") + "'"
    needed = any(sign in text for sign in (SEPARATORS[file.container], '"', "\n", "\r", "\\"))
    if file.quoting == "escaped":
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' if needed else text
    if file.quoting == "all" or needed:
        return '"' + text.replace('"', '""') + '"'
    return text


def header_line(file: MutatedFile) -> str:
    return SEPARATORS[file.container].join(quoted(file.names[field], file) for field in file.fields)


def _as_text(value: object) -> str:
    if value is None:
        return ""
    return value.strftime("%Y-%m-%d %H:%M:%S") if isinstance(value, datetime) else str(value)


def _values(file: MutatedFile) -> list[dict[str, Any]]:
    """The rows by the names of their columns, ready for JSON."""
    rows = [
        {
            file.names[field]: _as_text(value) if isinstance(value := row.written[field], datetime) else value
            for field in file.fields
        }
        for row in file.rows
    ]
    return list(map(_nested, rows)) if file.nested else rows


def _nested(row: dict[str, Any]) -> dict[str, Any]:
    """The row with `user.id` as a field inside another."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        outer, dot, inner = name.partition(".")
        if dot:
            found.setdefault(outer, {})[inner] = value
        else:
            found[name] = value
    return found


def _lines(file: MutatedFile, generator: random.Random) -> str:
    if file.container == "JSON lines":
        lines = [json.dumps(row, ensure_ascii=False) for row in _values(file)]
        above: list[str] = []
    else:
        separator = SEPARATORS[file.container]
        lines = [separator.join(quoted(row.written[field], file) for field in file.fields) for row in file.rows]
        lines = [line + file.ends for line in lines]
        above = [*([file.preamble] if file.preamble else []), *([header_line(file)] if file.has_header else [])]
    if file.damage is not None:
        file.damage(lines, file, generator)
    if file.blank_lines:
        for _ in range(5):
            lines.insert(generator.randrange(len(lines) + 1), generator.choice(("", "  ")))
    return file.line_end.join([*above, *lines]) + (file.line_end if file.cut != -1 else "")


def _document(file: MutatedFile, generator: random.Random) -> str:
    rows = _values(file)
    indent = generator.choice((None, None, 2))
    if file.container == "JSON array":
        if indent is None and generator.random() < 0.5:
            return "[" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "]"
        return json.dumps(rows, ensure_ascii=False, indent=indent)
    if file.container == "JSON document":
        name = generator.choice(("reviews", "data", "results"))
        beside = {"total": len(rows), "page": 1} if generator.random() < 0.5 else {}
        return json.dumps({**beside, name: rows}, ensure_ascii=False, indent=indent)
    names = [file.names[field] for field in file.fields]
    if file.container == "JSON split":
        table = [[row[name] for name in names] for row in rows]
        return json.dumps({"columns": names, "index": list(range(len(rows))), "data": table}, ensure_ascii=False)
    columns = {name: {str(place): row[name] for place, row in enumerate(rows)} for name in names}
    return json.dumps(columns, ensure_ascii=False)


def _parquet(file: MutatedFile) -> bytes:
    columns: dict[str, pa.Array] = {}
    for field in file.fields:
        values = [row.written[field] for row in file.rows]
        kinds = {type(value) for value in values if value is not None}
        large = any(isinstance(value, int) and value >= 2**63 for value in values)
        if len(kinds) > 1 or large:
            values = [None if value is None else _as_text(value) for value in values]
        columns[file.names[field]] = pa.array(values)
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


_TYPES = """<?xml version="1.0" encoding="UTF-8"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/\
content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>\
<Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/\
vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" \
ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/><Override \
PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/></Types>"""
_RELATIONS = """<?xml version="1.0" encoding="UTF-8"?><Relationships xmlns="http://schemas.openxmlformats.org/package/\
2006/relationships">{}</Relationships>"""
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def _workbook(file: MutatedFile) -> bytes:
    """A workbook of one sheet: texts in their cells, numbers as numbers, dates as numbers that look like dates."""
    rows: list[list[object]] = [[file.names[field] for field in file.fields]]
    rows += [[row.written[field] for field in file.fields] for row in file.rows]
    sheet = "".join(
        f'<row r="{number}">{"".join(_cell(value, number, place) for place, value in enumerate(row))}</row>'
        for number, row in enumerate(rows, 1)
    )
    styles = (
        f'<styleSheet xmlns="{_MAIN}"><fonts count="1"><font/></fonts><fills count="1"><fill/></fills>'
        f'<borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="2">'
        f'<xf numFmtId="0"/><xf numFmtId="22" applyNumberFormat="1"/></cellXfs></styleSheet>'
    )
    parts = {
        "[Content_Types].xml": _TYPES,
        "_rels/.rels": _RELATIONS.format(
            f'<Relationship Id="r1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
        ),
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets><sheet name="Reviews" sheetId="1" '
        f'r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": _RELATIONS.format(
            f'<Relationship Id="r1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
            f'<Relationship Id="r2" Type="{_OFFICE}/styles" Target="styles.xml"/>'
        ),
        "xl/styles.xml": styles,
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{_MAIN}"><sheetData>{sheet}</sheetData></worksheet>',
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), text)
    return out.getvalue()


def _cell(value: object, row: int, column: int) -> str:
    place = f'r="{chr(ord("A") + column)}{row}"'
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return f'<c {place} t="b"><v>{int(value)}</v></c>'
    if isinstance(value, datetime):
        return f'<c {place} s="1"><v>{(value - EXCEL_EPOCH).total_seconds() / DAY!r}</v></c>'
    if isinstance(value, int | float):
        return f"<c {place}><v>{value!r}</v></c>"
    return f'<c {place} t="inlineStr"><is><t xml:space="preserve">{escape(str(value))}</t></is></c>'
