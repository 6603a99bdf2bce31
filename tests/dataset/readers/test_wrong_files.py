"""Files that are not what they seem are called what they are."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from rec_sys.dataset.readers.rows import RawFile
from rec_sys.errors import DataError


def zipped(**files: str) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "."), content)
    return raw.getvalue()


def tarred() -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("reviews.csv"))
    return raw.getvalue()


WRONG = {
    "web page": b"<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title></head></html>",
    "page of several lines": b"\n<!-- old -->\n<html>\n<head><title>404 Not Found</title></head>\n</html>\n",
    "old workbook": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 500,
    "pdf": b"%PDF-1.7\n%\xe2\xe3\n",
    "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
    "archive of one": zipped(reviews__csv="user,item\na,x\n"),
    "archive of two": zipped(a__csv="user,item\n", b__csv="user,item\n"),
    "tar": tarred(),
    "xml": b'<?xml version="1.0"?><reviews><review/></reviews>',
    "pickle": b"\x80\x04\x95abc",
    "bytes": bytes(range(1, 9)) * 100,
}
WORDS = {
    "web page": "a web page ('Google Drive - Virus scan warning')",
    "page of several lines": "a web page ('404 Not Found')",
    "old workbook": "(.xls)",
    "pdf": "a PDF",
    "pointer": "git lfs pull",
    "archive of one": "a zip archive of 'reviews.csv'",
    "archive of two": "a zip archive of 2 files ('a.csv', 'b.csv')",
    "tar": "a tar archive",
    "xml": "XML",
    "pickle": "pickle",
    "bytes": "no text",
}


# The list of an archive's files is at its end, so one inside gzip is not looked into.
CASES = [(name, packed) for name in WRONG for packed in (False, True) if not (packed and name.startswith("archive"))]


@pytest.mark.parametrize(("name", "packed"), CASES)
def test_what_it_is_is_said(tmp_path: Path, name: str, packed: bool) -> None:
    path = tmp_path / "reviews.json.gz"
    path.write_bytes(gzip.compress(WRONG[name]) if packed else WRONG[name])
    with pytest.raises(DataError) as caught:
        RawFile(path)
    assert WORDS[name] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_text_that_speaks_of_pages_is_none(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("user,item,text\na,x,<b>Good</b>\n")
    assert RawFile(path).kind == "CSV"


def workbook(path: Path, rows: list[list[str | float]]) -> Path:
    """The smallest workbook there is: one sheet, texts within its cells."""

    def cell(value: str | float) -> str:
        if isinstance(value, str):
            return f'<c t="inlineStr"><is><t>{value}</t></is></c>'
        return f"<c><v>{value}</v></c>"

    start = '<?xml version="1.0" encoding="UTF-8"?>'
    types, office = (
        "http://schemas.openxmlformats.org/package/2006",
        "http://schemas.openxmlformats.org/officeDocument/2006",
    )
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    body = "".join(f"<row>{''.join(map(cell, row))}</row>" for row in rows)
    parts = {
        "[Content_Types].xml": f'{start}<Types xmlns="{types}/content-types"><Default Extension="rels" '
        f'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kind}.worksheet+xml"/></Types>',
        "_rels/.rels": f'{start}<Relationships xmlns="{types}/relationships"><Relationship Id="r1" '
        f'Type="{office}/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'{start}<workbook xmlns="{main}" xmlns:r="{office}/relationships"><sheets>'
        f'<sheet name="Reviews" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'{start}<Relationships xmlns="{types}/relationships"><Relationship Id="r1" '
        f'Type="{office}/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'{start}<worksheet xmlns="{main}"><sheetData>{body}</sheetData></worksheet>',
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def test_a_workbook_is_read(tmp_path: Path) -> None:
    path = workbook(tmp_path / "reviews.csv", [["user", "stars"], ["ann", 5], ["", ""], ["bob", 4.5]])
    file = RawFile(path)
    assert file.kind == "workbook"
    assert [row.fields for row in file.rows()] == [{"user": "ann", "stars": 5.0}, {"user": "bob", "stars": 4.5}]
