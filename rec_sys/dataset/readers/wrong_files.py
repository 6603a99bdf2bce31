"""Files that are not what their name promises, told by their first bytes: web pages, archives, workbooks, pointers."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

FIRST_BYTES = {
    b"BZh": "packed with bzip2; unpack it first (bunzip2)",
    b"\xfd7zXZ": "packed with xz; unpack it first (unxz)",
    b"\x28\xb5\x2f\xfd": "packed with zstd; unpack it first (unzstd)",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive; unpack it and give one file of it",
    b"Rar!": "a RAR archive; unpack it and give one file of it",
    b"SQLite format 3": "an SQLite database; export the table as CSV first",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls) or another old Office file; save it as .xlsx or CSV (UTF-8)",
    b"%PDF": "a PDF; ask for the data as CSV or JSON lines",
    b"{\\rtf": "an RTF text; save it as CSV (UTF-8)",
    b"version https://git-lfs": "a pointer of Git LFS and not the data; fetch it with git lfs pull",
    b"ARROW1": "an Arrow (Feather) file; write it as Parquet",
    b"ORC": "an ORC file; write it as Parquet",
    b"Obj\x01": "an Avro file; write it as Parquet or JSON lines",
    b"\x89HDF": "an HDF5 file; write it as Parquet or CSV",
    b"\x93NUMPY": "a NumPy array; write the table as CSV or Parquet",
    b"\x80\x02": "a Python pickle, which can run code and is not read; write it as Parquet or CSV",
    b"\x80\x03": "a Python pickle, which can run code and is not read; write it as Parquet or CSV",
    b"\x80\x04": "a Python pickle, which can run code and is not read; write it as Parquet or CSV",
    b"\x80\x05": "a Python pickle, which can run code and is not read; write it as Parquet or CSV",
    b"RDX": "a file of R; write the table as CSV",
    b"\x89PNG": "a picture; give the table as text",
    b"\xff\xd8\xff": "a picture; give the table as text",
    b"GIF8": "a picture; give the table as text",
    b"\x7fELF": "a program; give the table as text",
    b"bplist": "a property list (perhaps a .webarchive); give the table as CSV",
}
ZIP = b"PK\x03\x04"
EMPTY_ZIP = b"PK\x05\x06"
_PAGE = re.compile(rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|script|meta|title)\b", re.I | re.S)
# A tag that stands in texts may open the first field of a table without a header.
_XML = re.compile(rb"\s*<\?xml|\s*<(?!(?:p|br|b|i|em|strong|div|span|a|ul|li|u|font)\b)[a-zA-Z][\w:.-]*[\s>/]", re.I)
_TAR = 257, b"ustar"


def what_it_is(sample: bytes, path: Path) -> str:
    """What a file is that cannot be read, and what to do; "" for one that may be text, JSON, Parquet or a workbook."""
    text = sample.removeprefix(b"\xef\xbb\xbf")
    for start, what in FIRST_BYTES.items():
        if sample.startswith(start):
            return what
    if sample[_TAR[0] : _TAR[0] + len(_TAR[1])] == _TAR[1]:
        return "a tar archive; unpack it (tar -xf) and give one file of it"
    if sample.startswith((ZIP, EMPTY_ZIP)):
        return _zip(path)
    if _PAGE.match(text):
        return (
            f"a web page ({_title(text)}) and not the data: the download gave an error, a login or a warning; open the "
            f"address in a browser and download the file itself"
        )
    if _XML.match(text) and b"</" in text and _in_tags(text):
        return "XML or HTML; expected JSON lines, CSV or Parquet: export the table as CSV"
    if _binary(text):
        return (
            "no text: it holds bytes that no text has; expected JSON lines, CSV or Parquet: check where it comes from"
        )
    return ""


def is_workbook(path: Path) -> bool:
    """Whether a zip archive is an Excel workbook."""
    try:
        with zipfile.ZipFile(path) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError, ValueError):
        return False


def _zip(path: Path) -> str:
    if is_workbook(path):
        return ""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX")]
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError, ValueError):
        return "a damaged zip archive, or part of one; copy or download it again"
    if "word/document.xml" in names:
        return "a Word document; save the table as CSV (UTF-8)"
    if "content.xml" in names:
        return "an OpenDocument file; save the table as CSV (UTF-8) or .xlsx"
    if len(names) == 1:
        return f"a zip archive of {names[0]!r}; unpack it first"
    shown = ", ".join(map(repr, names[:5])) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")
    return f"a zip archive of {len(names):,} files ({shown}); unpack it and give one of them"


def _in_tags(text: bytes) -> bool:
    """Whether half of the lines begin with a tag, as those of a table whose first text does so do not."""
    lines = [line.lstrip() for line in text.split(b"\n") if line.strip()]
    return text.lstrip().startswith(b"<?xml") or 2 * sum(line.startswith(b"<") for line in lines) >= len(lines)


def _title(text: bytes) -> str:
    title = re.search(rb"<title[^>]*>(.*?)</title>", text, re.I | re.S)
    words = " ".join((title[1] if title else text).decode("utf-8", "replace").split())
    return repr(words[:80])


def _binary(text: bytes) -> bool:
    """Whether many bytes are control characters; those of UTF-16, half of which are zero, are not counted."""
    head = text[:4096]
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or not head:
        return False
    control = sum(byte < 32 and byte not in (0, 1, 9, 10, 11, 12, 13, 26, 27) for byte in head)
    return control > 0.1 * len(head)
