"""Any bytes: whatever is given to a reader, it reads or refuses, and neither fails otherwise nor takes the memory."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import resource
import tempfile
import time
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.mutants_files import CONTAINERS, write
from benchmarks.mutants_kinds import ENCODINGS
from benchmarks.mutants_table import good_draft
from rec_sys.dataset.readers.metadata import read_products
from rec_sys.dataset.readers.real_ids import read_real_ids
from rec_sys.dataset.reviews import prepare_reviews
from rec_sys.errors import RecSysError
from rec_sys.inference.read_reviews import parse_users

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "60"))
SLOW = 20  # seconds that no file of a few kilobytes takes

fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES == 60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def valid(container: str, encoding: str, packed: bool) -> bytes:
    draft = good_draft(Random(5), ENCODINGS[encoding])
    del draft.rows[12:], draft.truth[12:]
    draft.container, draft.encoding, draft.packed = container, encoding, packed
    with tempfile.TemporaryDirectory() as folder:
        write(draft, Path(folder) / "file")
        return (Path(folder) / "file").read_bytes()


GOOD = [valid(container, "utf-8", packed=False) for container in CONTAINERS]
GOOD += [valid("csv comma minimal", encoding, packed=True) for encoding in ENCODINGS]
GOOD += [valid(container, "utf-16", packed=False) for container in ("csv tab all", "json lines", "json document")]
PRODUCTS = [
    b'{"asin": "p1", "title": "Tea", "category": [["a", "b"]], "description": ["x"]}\n' * 3,
    b"product_id,name,brand\np1,Tea,x\np2,Pot,y\n",
    b"item_id:token\ttitle:token_seq\n1\ta b\n",
]
TELLING = [bytes((byte,)) for byte in b'"\0\n\r,\t{[]}-\xff'] + [b"1e999", b"NaN", b"\xed\xa0\x80", b"9" * 400, b"null"]
TELLING += [b"\\ud800", b"\xef\xbb\xbf", b"\xff\xfe", b'{"$date":', b'"a":', b"1E+400", b"::", b"=1+1"]


@st.composite
def mutated(draw: st.DrawFn, of: list[bytes]) -> bytes:
    """A valid file with pieces cut out, repeated, exchanged or put in."""
    raw = draw(st.sampled_from(of))
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(raw)))
        end = min(len(raw), start + draw(st.integers(0, 40)))
        match draw(st.integers(0, 4)):
            case 0:
                raw = raw[:start] + raw[end:]
            case 1:
                raw = raw[:end] + raw[start:]
            case 2:
                raw = raw[:start] + draw(st.sampled_from(TELLING) | st.binary(max_size=8)) + raw[end:]
            case 3:
                raw = raw[:end]
            case _:
                raw = raw[:start] + draw(st.sampled_from(of))[start : start + 200] + raw[end:]
    return gzip.compress(raw, mtime=0) if draw(st.integers(0, 9)) == 0 else raw


def read_all(raw: bytes, as_request: bool = True) -> None:
    """Give the bytes to every reader; to the one of requests only where `as_request` says so."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(raw)
        with contextlib.suppress(RecSysError):
            prepare_reviews(path, Path(folder) / "out")
        with contextlib.suppress(RecSysError):
            list(read_products(path))
        with contextlib.suppress(RecSysError):
            read_real_ids(path)
        if as_request:
            with contextlib.suppress(RecSysError):
                parse_users(raw, "request")
    assert time.monotonic() - started < SLOW


@fuzzed
@given(mutated(GOOD))
def test_mutated_files(raw: bytes) -> None:
    read_all(raw)


@pytest.mark.parametrize("raw", [b"\x0b", b"\xc2\x85", b'{"$oid": null}', b'{"$oid": null}\n{"$oid": {"a": []}}\n'])
def test_files_that_once_failed(raw: bytes) -> None:
    read_all(raw)


@fuzzed
@given(mutated(PRODUCTS))
def test_mutated_products(raw: bytes) -> None:
    read_all(raw)


@fuzzed
@given(st.binary(max_size=300))
def test_random_bytes(raw: bytes) -> None:
    read_all(raw)


@fuzzed
@given(st.text(max_size=300))
def test_random_texts(text: str) -> None:
    read_all(text.encode("utf-8", "surrogatepass"))


NAMES = [
    "user_id",
    "user",
    "product_id",
    "sku",
    "rating",
    "timestamp",
    "date",
    "text",
    "reviews",
    "data",
    "columns",
    "$oid",
]
names = st.sampled_from(NAMES) | st.text(max_size=4)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=5),
    max_leaves=20,
)


@fuzzed
@given(json_values, st.sampled_from(["one", "lines", "array", "reviews"]))
def test_any_json(value: object, shape: str) -> None:
    text = json.dumps(value)
    shaped = {
        "one": text,
        "lines": f"{text}\n{text}\n",
        "array": f"[{text}, {text}]",
        "reviews": f'{{"reviews": {text}}}',
    }
    read_all(shaped[shape].encode())


@fuzzed
@given(
    st.sampled_from(["user_id", "product_id", "rating", "timestamp", "text"]),
    st.lists(json_values, min_size=1, max_size=6),
)
def test_any_value_in_any_field(name: str, values: list[object]) -> None:
    row = {"user_id": "u", "product_id": "p", "rating": 5, "timestamp": 1_520_000_000, "text": "good"}
    rows = [{**row, "product_id": f"p{place}", name: value} for place, value in enumerate(values)]
    read_all("\n".join(map(json.dumps, rows)).encode())
    read_all(json.dumps(rows).encode())
    read_all(json.dumps({"reviews": rows}).encode())


@pytest.mark.parametrize("depth", [100, 500, 1_100, 20_000, 200_000])
@pytest.mark.parametrize("ends", ["[]", ('{"a":', "}"), ('{"reviews":[', "]}"), ('{"user":"u","a":[', "]}")])
def test_deep_json(depth: int, ends: str | tuple[str, str]) -> None:
    for raw in deep(depth, ends):
        read_all(raw, as_request=False)


@pytest.mark.parametrize("ends", ["[]", ('{"a":', "}"), ('{"reviews":[', "]}"), ('{"user":"u","a":[', "]}")])
def test_deep_json_in_a_request(ends: str | tuple[str, str]) -> None:
    for raw in deep(100, ends):
        with contextlib.suppress(RecSysError):
            parse_users(raw, "request")


def deep(depth: int, ends: str | tuple[str, str]) -> list[bytes]:
    """JSON that is nested: whole, cut off, and inside a field of a review."""
    opening, closing = ends[0], ends[1]
    row = '{"user_id": "u", "product_id": "p", "rating": 5, "timestamp": 1520000000, "text": '
    inner = opening * depth + "1" + closing * depth
    return [inner.encode(), (opening * depth).encode(), f"{row}{inner}}}\n{row}1}}\n".encode()]


@pytest.mark.parametrize(
    "start", [b"", b"user_id,product_id,rating,timestamp\n", b'{"user_id": "', b"[", b'{"reviews": [']
)
@pytest.mark.parametrize("filling", [b"\0", b"a", b"\n", b'"', b"[", b",", b"1", b"{}", b" "])
def test_a_bomb_takes_no_more_memory_than_a_line(start: bytes, filling: bytes, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1) as file:
        file.write(start)
        for _ in range(4):
            file.write(filling * ((1 << 20) // len(filling)))
    path = tmp_path / "bomb.gz"
    path.write_bytes(packed.getvalue())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with contextlib.suppress(RecSysError):
        prepare_reviews(path, tmp_path / "out")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_500_000  # KiB
