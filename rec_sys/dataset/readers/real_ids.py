"""Files that say which id a number stands for, in data sets whose people and products are numbered."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from rec_sys.errors import DataError

EXPECTED = "expected a line ID<TAB>NUMBER for each number"


def read_real_ids(path: Path) -> dict[str, str]:
    """The id of each number.

    Args:
        path: lines of ID<TAB>NUMBER, plain or gzip-packed.

    Raises:
        DataError: the file cannot be read, a line is no such pair, or an id or number comes twice.
    """
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw).decode("utf-8-sig", "replace")
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}); {EXPECTED}: check the file") from error
    id_of: dict[str, str] = {}
    for line, pair in enumerate(text.split("\n"), 1):
        if not pair.strip():
            continue
        name, _, number = map(str.strip, pair.partition("\t"))
        if not name or not number or "\t" in number:
            raise DataError(f"{path}, line {line:,} is {pair[:80]!r}; {EXPECTED}")
        if number in id_of:
            raise DataError(f"{path}, line {line:,} gives the number {number} a second id, {name!r}; {EXPECTED}")
        id_of[number] = name
    if len(set(id_of.values())) < len(id_of):
        raise DataError(f"{path} gives one id to several numbers, which would make one of them all; {EXPECTED}")
    if not id_of:
        raise DataError(f"{path} is empty; {EXPECTED}")
    return id_of
