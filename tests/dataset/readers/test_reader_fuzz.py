"""Whatever bytes a file holds, reading it ends: with rows, or with an error of this package; never with another one.

Files are good ones of every kind with bytes changed, cut out, doubled and put in, and bytes that are none of them.
$REC_SYS_FUZZ_EXAMPLES makes longer runs.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.mutants.containers import content
from benchmarks.mutants.file import CONTAINERS, good_file
from rec_sys.dataset.readers.metadata import read_products
from rec_sys.dataset.readers.real_ids import read_real_ids
from rec_sys.dataset.readers.rows import RawFile, peek
from rec_sys.dataset.reviews import prepare_reviews
from rec_sys.errors import DataError, RecSysError
from rec_sys.inference.read_reviews import parse_users

EXAMPLES = int(os.environ.get("REC_SYS_FUZZ_EXAMPLES", "60"))
SECONDS = 20  # for one small file, on a busy machine
MIB = 1 << 20

fuzz = settings(
    max_examples=EXAMPLES,
    deadline=SECONDS * 1000,
    derandomize="REC_SYS_FUZZ_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)


def _good() -> dict[str, bytes]:
    """A small file of every kind."""
    import random

    files = {}
    for container in CONTAINERS:
        file = good_file(container, "latin", random.Random(container))
        file.rows = file.rows[:8]
        files[container] = content(file, random.Random(0))
    files["gzip"] = gzip.compress(files["csv comma"], mtime=0)
    files["UTF-16"] = b"\xff\xfe" + files["csv tab"].decode().encode("utf-16-le")
    files["cp1252"] = "user,item,date\nJosé,é,2018-01-02\nZoë,ß,2018-03-04\n".encode("cp1252")
    files["lists"] = json.dumps({"a": ["x", "y"], "b": ["x"]}).encode()
    files["RecBole"] = b"user_id:token\titem_id:token\ttimestamp:float\na\tx\t1500000000\nb\ty\t1500000001\n"
    files["lists of RecBole"] = b"user_id:token\titem_id_list:token_seq\titem_id:token\na\tx y\tz\n"
    files["MovieLens"] = b"1::2::3::978300760\n4::5::1::978302109\n"
    files["metadata"] = b'{"asin": "x", "title": "Pen", "description": ["a", ["b"]], "price": 1}\n' * 2
    files["request"] = b'{"reviews": [{"user": {"id": 1}, "product_id": "x", "rating": 5, "date": "2018-01-02"}]}'
    files["ids"] = b"B00FF\t0\nB1\t1\n"
    return files


GOOD = _good()
PIECES = (
    b'"', b"'", b"\0", b"\n", b"\r", b",", b"\t", b"{", b"}", b"[", b"]", b":", b"\\", b"\xff", b"\xff\xfe", b"PAR1", b"\x1f\x8b",
    b"PK\x03\x04", b"nan", b"null", b"1e999", b"-1", b"9" * 400, b'{"$date":', b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\\ud800",
    b"sep=;\n", b"::", b"<html>", b"&#9999999999;", b"0000-00-00", b"99/99/9999", b"1970-01-01 00:00:00 +99:99",
    b"2018-01-02 Europe/..", b"/Date(999999999999999999)/", b"9/9", b"1/0", b"\xe2\x98\x85" * 9, b'"date": {"$date": {}}',
    b"[" * 300, b'{"a":' * 300, b"\xa0", b"\xe2\x80\x8b", b"1_0", "٣".encode(), "²".encode(), b"true", b"Infinity",
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn, names: tuple[str, ...] = tuple(GOOD)) -> bytes:
    """A good file with a few changes, packed or not."""
    raw = GOOD[draw(st.sampled_from(names))]
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(raw)))
        end = min(len(raw), start + draw(st.sampled_from((0, 0, 1, 1, 2, 8, 40, 400))))
        new = draw(
            st.sampled_from(PIECES)
            | st.binary(max_size=8)
            | st.just(raw[start:end] * 2)
            | st.builds(lambda at, size: raw[at : at + size], st.integers(0, len(raw)), st.integers(1, 60))
        )
        raw = raw[:start] + new + raw[end:]
    return gzip.compress(raw, 1) if draw(st.sampled_from((False, False, False, True))) else raw


anything = mutated() | st.binary(max_size=300) | st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join)


def _ends(read: Callable[[], object]) -> None:
    try:
        read()
    except RecSysError as error:
        assert "\n" not in str(error).strip()
        assert len(str(error)) < 5_000


@fuzz
@given(raw=anything)
def test_reviews(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    folder = tmp_path_factory.mktemp("raw")
    (folder / "file").write_bytes(raw)
    _ends(lambda: prepare_reviews(folder / "file", folder / "out"))


@fuzz
@given(raw=anything)
def test_rows(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.mktemp("raw") / "file"
    path.write_bytes(raw)

    def read() -> None:
        file = RawFile(path)
        taken = sum(row.lines for row in file.rows())
        if file.kind in ("CSV", "RecBole"):
            taken += file.layout.skipped
        assert not file.in_lines or taken + file.blank == file.scan.lines  # no line is lost
        peek(file)

    _ends(read)


@fuzz
@given(raw=mutated(("metadata", "csv comma", "JSON lines", "JSON of pandas", "Parquet", "xlsx", "gzip")) | anything)
def test_metadata(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.mktemp("raw") / "file"
    path.write_bytes(raw)
    _ends(lambda: list(read_products(path)))


@fuzz
@given(raw=mutated(("ids",)) | anything)
def test_ids(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.mktemp("raw") / "file"
    path.write_bytes(raw)
    _ends(lambda: read_real_ids(path))


@fuzz
@given(raw=mutated(("request", "lists", "JSON lines", "JSON array", "JSON document", "JSON of pandas")) | anything)
def test_requests(raw: bytes) -> None:
    _ends(lambda: parse_users(raw, "request"))


# ---- time and memory ------------------------------------------------------------------------------------------------


def _bomb(start: bytes, piece: bytes, mib: int) -> bytes:
    """A gzip file of some kB that holds `mib` MiB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [packer.compress(start)]
    parts += [packer.compress(piece * (MIB // len(piece))) for _ in range(mib)]
    return b"".join([*parts, packer.flush()])


def _small_and_hostile() -> Iterator[tuple[str, bytes]]:
    header = b"user_id,product_id,rating,timestamp,text\n"
    yield "arrays in arrays", b"[" * 1_000
    yield "arrays in arrays, in a row", b'{"user_id": ' + b"[" * 900 + b"]" * 900 + b"}\n" + b'{"user_id": 1}\n'
    yield "objects in objects", b'{"reviews": ' * 300 + b"[]" + b"}" * 300
    yield "objects in objects, packed", gzip.compress(b'{"a": ' * 100_000 + b"1" + b"}" * 100_000)
    yield "arrays in arrays, packed", gzip.compress(b"[" * 1_000_000)
    yield "many columns", b",".join([b"a"] * 500)
    yield "a rating that is a large power", header + b"a,x,1e400,1500000000,t\n"
    yield "a number of many digits, packed", gzip.compress(b'{"user_id": ' + b"9" * 1_000_000 + b"}\n{}\n")
    yield "entities", header + b"a,x,5,1500000000," + b"&#x10ffff;" * 90


HOSTILE = dict(_small_and_hostile())
BOMBS = {
    "one line": (b"user_id,product_id,rating,timestamp,text\na,x,5,1500000000,", b"a"),
    "one quote": (b'user_id,product_id,rating,timestamp,text\na,x,5,1500000000,"', b"line\n"),
    "blank lines": (b"user_id,product_id,rating,timestamp,text\n", b"\n"),
    "zeros": (b"", b"\0"),
    "one array": (b"[", b"[],"),
    "one text of JSON": (b'{"user_id": "', b"a"),
}


def _peak(path: Path, read: Callable[[], object]) -> float:
    """MiB that were allocated at once."""
    _ends(read)  # what is loaded once is no memory of the file
    tracemalloc.start()
    try:
        _ends(read)
        return tracemalloc.get_traced_memory()[1] / MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("name", "raw"), HOSTILE.items(), ids=HOSTILE)
def test_a_small_file_takes_little_memory_and_time(tmp_path: Path, name: str, raw: bytes) -> None:
    (tmp_path / "file").write_bytes(raw)
    started = time.monotonic()
    assert _peak(tmp_path, lambda: prepare_reviews(tmp_path / "file", tmp_path / "out")) < 100
    assert _peak(tmp_path, lambda: list(read_products(tmp_path / "file"))) < 100
    assert time.monotonic() - started < 2 * SECONDS


@pytest.mark.parametrize("name", BOMBS)
def test_a_packed_file_is_never_whole_in_memory(tmp_path: Path, name: str) -> None:
    start, piece = BOMBS[name]
    (tmp_path / "file").write_bytes(_bomb(start, piece, 64))
    assert (tmp_path / "file").stat().st_size < 200_000
    started = time.monotonic()
    assert _peak(tmp_path, lambda: prepare_reviews(tmp_path / "file", tmp_path / "out")) < 200
    assert time.monotonic() - started < 6 * SECONDS


def test_a_workbook_that_grows_is_refused(tmp_path: Path) -> None:
    import zipfile

    raw = io.BytesIO(GOOD["xlsx"])
    out = io.BytesIO()
    with zipfile.ZipFile(raw) as before, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as after:
        for name in before.namelist():
            text = before.read(name)
            if name.endswith("sheet1.xml"):
                row = b'<row r="9"><c r="A9"><v>1</v></c></row>'
                text = text.replace(b"</sheetData>", row * 20_000 + b"</sheetData>")
            after.writestr(name, text)
    (tmp_path / "file").write_bytes(out.getvalue())
    _ends(lambda: prepare_reviews(tmp_path / "file", tmp_path / "out"))


def test_ids_in_a_bomb(tmp_path: Path) -> None:
    (tmp_path / "ids").write_bytes(_bomb(b"a\t0\n", b"x", 64))
    assert _peak(tmp_path, lambda: read_real_ids(tmp_path / "ids")) < 200
    with pytest.raises(DataError):
        read_real_ids(tmp_path / "ids")
