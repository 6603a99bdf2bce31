import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rec_sys.dataset.readers import delimited, json_rows, rows
from rec_sys.dataset.readers.rows import RawFile, peek
from rec_sys.errors import DataError

JSON = [{"a": 1, "b": "x"}, {"a": 2, "b": "ü\n"}]


def write(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def json_lines(values: list[Any]) -> bytes:
    return b"".join(orjson.dumps(value) + b"\n" for value in values)


def good(path: Path) -> list[tuple[int, dict[str, Any]]]:
    found = []
    for row in RawFile(path).rows():
        assert isinstance(row.fields, dict), row
        found.append((row.line, row.fields))
    return found


def broken(path: Path) -> dict[int, str]:
    return {row.line: row.fields for row in RawFile(path).rows() if isinstance(row.fields, str)}


class TestKinds:
    def test_json_lines_whatever_the_name(self, tmp_path: Path) -> None:
        path = write(tmp_path / "reviews.csv", json_lines(JSON))
        assert RawFile(path).kind == "JSON lines"
        assert good(path) == [(1, JSON[0]), (2, JSON[1])]

    def test_gzip_whatever_the_name(self, tmp_path: Path) -> None:
        path = write(tmp_path / "reviews.json", gzip.compress(json_lines(JSON)))
        assert good(path) == [(1, JSON[0]), (2, JSON[1])]

    def test_gzip_of_several_parts(self, tmp_path: Path) -> None:
        path = write(tmp_path / "r", gzip.compress(json_lines(JSON)) + gzip.compress(json_lines(JSON)))
        assert [line for line, _ in good(path)] == [1, 2, 3, 4]

    def test_csv(self, tmp_path: Path) -> None:
        path = write(tmp_path / "reviews.json", 'a,b\n1,x\n2,"y, ""z"""\n')
        assert good(path) == [(2, {"a": "1", "b": "x"}), (3, {"a": "2", "b": 'y, "z"'})]

    @pytest.mark.parametrize("delimiter", ["\t", ";", "|"])
    def test_other_delimiters(self, tmp_path: Path, delimiter: str) -> None:
        path = write(tmp_path / "r.csv", f"a{delimiter}b\n1{delimiter}x,y\n")
        assert good(path) == [(2, {"a": "1", "b": "x,y"})]

    def test_parquet(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rows, "STEP", 2)
        path = tmp_path / "reviews"
        pq.write_table(pa.table({"a": [1, 2, 3, 4, 5], "b": ["x", None, "z", "", "ü"]}), path)
        file = RawFile(path)
        assert [(line, row["a"], row["b"]) for line, row, _ in file.rows() if isinstance(row, dict)] == [
            (1, 1, "x"),
            (2, 2, None),
            (3, 3, "z"),
            (4, 4, ""),
            (5, 5, "ü"),
        ]
        assert file.position == file.size

    def test_parquet_nanoseconds(self, tmp_path: Path) -> None:
        path = tmp_path / "r.parquet"
        pq.write_table(pa.table({"when": pa.array([1_393_545_600_000_000_001], pa.timestamp("ns", "UTC"))}), path)
        assert good(path)[0][1]["when"].timestamp() == 1_393_545_600

    @pytest.mark.parametrize("pack", [gzip.compress, bytes])
    def test_the_position_grows_to_the_size(self, tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
        lines = b"".join(b'{"a": "%d %d"}\n' % (n * 7919 % 10_007, n) * 8 for n in range(20_000))
        file = RawFile(write(tmp_path / "r", pack(lines)))
        positions = [file.position for _ in file.rows()]
        assert positions == sorted(positions)
        assert len(set(positions)) >= 3
        assert file.position == file.size


class TestLists:
    """One JSON object {person: [products]}, told from JSON lines by what comes first."""

    LISTS: ClassVar = {"a": ["x", 1, None], 'b \\ "c"': [], "ü": ["x"]}

    @pytest.mark.parametrize("option", [0, orjson.OPT_INDENT_2])
    @pytest.mark.parametrize("pack", [gzip.compress, bytes])
    @pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf\n"])
    def test_json_object(self, tmp_path: Path, option: int, pack: Callable[[bytes], bytes], mark: bytes) -> None:
        path = write(tmp_path / "r.inter.json", pack(mark + orjson.dumps(self.LISTS, option=option)))
        file = RawFile(path)
        assert file.kind == "JSON object"
        assert [(line, row) for line, row, _ in file.rows()] == [
            (number, {"user_id": person, "product_list": products})
            for number, (person, products) in enumerate(self.LISTS.items(), 1)
        ]
        assert file.position == file.size

    def test_an_object_longer_than_the_first_look(self, tmp_path: Path) -> None:
        lists = {str(person): [f"product {number}" for number in range(1_000)] for person in range(20)}
        assert len(good(write(tmp_path / "r", orjson.dumps(lists)))) == 20

    @pytest.mark.parametrize(
        "content",
        [
            b'{"image": ["a"], "asin": "b"}',  # one row alone
            b'{"image": ["a"]}\n{"image": ["a"]}\n',
            b'{"image": ["a"],\n{"image": ["a"], "asin": "b"}\n',  # a broken first row
            b'{"asin": "b", "image": ["a"]}',
        ],
    )
    def test_rows_that_begin_with_a_list(self, tmp_path: Path, content: bytes) -> None:
        assert RawFile(write(tmp_path / "r", content)).kind == "JSON lines"

    def test_an_entry_that_is_no_list(self, tmp_path: Path) -> None:
        path = write(tmp_path / "r", '{"a": [1],\n"b": 7,\n"c": [2]}')
        assert broken(path) == {2: "entry 2, 'b', is no list of products"}

    def test_cut_off(self, tmp_path: Path) -> None:
        path = write(tmp_path / "r", '{\n"a": [\n1,\n2\n],\n"b": [\n3')
        with pytest.raises(DataError, match=r"JSON object and is none, or is cut off: .*download it again"):
            good(path)

    @pytest.mark.parametrize(
        "content",
        [
            '{"user": ["a", "b"], "itemId": [1, 2]}',
            '{"user": {"0": "a", "1": "b"}, "itemId": {"0": 1, "1": 2}}',
            '{"columns": ["user", "itemId"], "index": [0, 1], "data": [["a", 1], ["b", 2]]}',
        ],
    )
    def test_columns_instead_of_people(self, tmp_path: Path, content: str) -> None:
        path = write(tmp_path / "r", content)
        assert good(path) == [(1, {"user": "a", "itemId": 1}), (2, {"user": "b", "itemId": 2})]

    def test_columns_of_different_lengths(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="columns of different lengths"):
            good(write(tmp_path / "r", '{"user": ["a", "b"], "itemId": [1]}'))

    def test_atomic_files_have_types_and_no_quotes(self, tmp_path: Path) -> None:
        header = "user_id:token\titem_id_list:token_seq\titem_id:token"
        path = write(tmp_path / "r.inter", gzip.compress(f'{header}\n"7\t1 2 3\t4"\n8\t5\n'.encode()))
        assert RawFile(path).kind == "RecBole"
        assert good(path := write(path, f'{header}\n"7\t1 2 3\t4"\n')) == [
            (2, {"user_id": '"7', "item_id_list": "1 2 3", "item_id": '4"'})
        ]
        assert RawFile(write(tmp_path / "other", "user:id\titem_id:token\n1\t2\n")).kind == "CSV"


class TestArrays:
    """Objects in one array, or one after another over several lines."""

    @pytest.mark.parametrize(
        "content",
        [
            b'[{"a": 1}, {"a": 2}]',
            b'[\n{"a": 1},\n{"a": 2}\n]\n',
            b'[\n  {\n    "a": 1\n  },\n  {\n    "a": 2\n  }\n]',
            b'{\n  "a": 1\n}\n{\n  "a": 2\n}\n',
            b'\xef\xbb\xbf[{"a": 1},{"a": 2}]',
            '[{"a": 1}, {"a": 2}]'.encode("utf-16"),
            b'{"reviews": [{"a": 1}, {"a": 2}]}',
            b'{"response": {"reviews": [{"a": 1}, {"a": 2}], "page": 1}}',
        ],
    )
    def test_shapes(self, tmp_path: Path, content: bytes) -> None:
        assert good(write(tmp_path / "r.json", content)) == [(1, {"a": 1}), (2, {"a": 2})]

    def test_a_value_longer_than_what_is_read_at_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(json_rows, "CHUNK", 7)
        values = [{"a": "x" * n, "b": [n] * 5, "c": 10**n} for n in range(30)]
        found = [row for _, row in good(write(tmp_path / "r", orjson.dumps(values[:18])))]
        assert found == values[:18]

    def test_what_stands_beside_the_reviews_belongs_to_each(self, tmp_path: Path) -> None:
        content = {"product_id": 7, "page": 1, "reviews": [{"user": "a"}, {"user": "b", "product_id": 8}]}
        found = [row for _, row in good(write(tmp_path / "r", orjson.dumps(content)))]
        assert found == [{"product_id": 7, "user": "a"}, {"product_id": 8, "user": "b"}]


class TestNumbers:
    def test_whole_numbers_of_any_length_keep_their_digits(self, tmp_path: Path) -> None:
        content = b'{"id": 101463350189962000001, "in": {"$numberLong": "76561197960287930"}, "x": 1e300}\n'
        ((_, row),) = good(write(tmp_path / "r", content))
        assert row == {"id": 101463350189962000001, "in": "76561197960287930", "x": 1e300}

    def test_extended_json_of_a_database(self, tmp_path: Path) -> None:
        content = (
            b'{"_id": {"$oid": "5a"}, "at": {"$date": {"$numberLong": "1529103840000"}}, "n": {"$numberInt": "5"}}\n'
        )
        ((_, row),) = good(write(tmp_path / "r", content))
        assert row == {"_id": "5a", "at": "1529103840000", "n": "5"}


class TestText:
    @pytest.mark.parametrize("content", [json_lines(JSON[:1]), b"a,b\n1,x\n"])
    def test_byte_order_mark(self, tmp_path: Path, content: bytes) -> None:
        path = write(tmp_path / "r", b"\xef\xbb\xbf" + content)
        assert list(good(path)[0][1]) == ["a", "b"]

    @pytest.mark.parametrize("content", [json_lines(JSON[:1]), b"a,b\n1,x\n"])
    def test_line_ends_of_windows(self, tmp_path: Path, content: bytes) -> None:
        path = write(tmp_path / "r", content.replace(b"\n", b"\r\n"))
        assert good(path)[0][1]["b"] == "x"

    @pytest.mark.parametrize("content", [b'{"a": 1, "b": "caf\xe9"}\n', b"a,b\n1,caf\xe9\n"])
    def test_bytes_of_another_encoding(self, tmp_path: Path, content: bytes) -> None:
        assert good(write(tmp_path / "r", content))[0][1]["b"] == "café"

    def test_what_strict_json_refuses(self, tmp_path: Path) -> None:
        path = write(tmp_path / "r", b'{"a": NaN}\n{"a": "x\ty"}\n{"a": ["\\ud800!", {"b": "\\udc00"}]}\n')
        (_, first), (_, second), (_, third) = good(path)
        assert first["a"] != first["a"]
        assert second["a"] == "x\ty"
        assert third["a"] == ["?!", {"b": "?"}]

    def test_lines_are_counted_through_quoted_newlines_and_blank_lines(self, tmp_path: Path) -> None:
        path = write(tmp_path / "r", 'a,b\n1,"two\r\nlines"\n\n2,x\n')
        assert good(path) == [(2, {"a": "1", "b": "two\r\nlines"}), (5, {"a": "2", "b": "x"})]
        path = write(tmp_path / "r", '\n{"a": 1}\n  \n{"a": 2}')
        assert good(path) == [(2, {"a": 1}), (4, {"a": 2})]

    def test_null_characters(self, tmp_path: Path) -> None:
        assert good(write(tmp_path / "r", "a,b\n1,x\0y\n"))[0][1]["b"] == "x\0y"

    def test_a_field_of_more_than_128_kb(self, tmp_path: Path) -> None:
        assert len(good(write(tmp_path / "r", f'a,b\n1,"{"x" * 1_000_000}"\n'))[0][1]["b"]) == 1_000_000


class TestBrokenRows:
    def test_json(self, tmp_path: Path) -> None:
        path = write(tmp_path / "r", '{"a": 1}\n{"a": \n[1, 2]\n"x"\n{"a": 2}\n' + "[" * 100_000 + "\n")
        found = broken(path)
        assert sorted(found) == [2, 3, 4, 6]
        assert found[2].startswith("not JSON (")
        assert found[3] == "JSON, but not an object: [1, 2]"
        assert len(found[6]) < 500

    def test_a_broken_first_line(self, tmp_path: Path) -> None:
        path = write(tmp_path / "r", 'oops\n{"a": 1}\n{"a": 2}\n')
        assert list(broken(path)) == [1]

    def test_csv_with_other_numbers_of_fields(self, tmp_path: Path) -> None:
        path = write(tmp_path / "r", "a,b\n1\n2,x\n3,y,z\n")
        found = broken(path)
        assert sorted(found) == [2, 4]
        assert found[4].startswith("3 fields where the header has 2")

    def test_a_quote_never_closed_costs_no_other_line(self, tmp_path: Path) -> None:
        file = RawFile(write(tmp_path / "r", 'a,b\n1,x\n2,"open\n3,y\n4,z\n'))
        assert [(line, row["b"]) for line, row, _ in file.rows() if isinstance(row, dict)] == [
            (2, "x"),
            (3, '"open'),
            (4, "y"),
            (5, "z"),
        ]
        assert file.stray_quotes == 1
        path = write(tmp_path / "r", 'a,b,c\n1,x,1\n2,"open, closed,2\n3,y,3\n4,z,4\n')
        assert list(broken(path)) == [3]
        assert [line for line, row, _ in RawFile(path).rows() if isinstance(row, dict)] == [2, 4, 5]

    def test_lines_longer_than_allowed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for module in (delimited, json_rows):
            monkeypatch.setattr(module, "MAX_ROW", 100)
        lines = json_lines([{"a": "x" * 1_000}, {"a": "y"}])
        path = write(tmp_path / "r.json", b'{"a": 1}\n' + lines)
        assert [row.line for row in RawFile(path).rows()] == [1, 2, 3]
        assert list(broken(path)) == [2]
        path = write(tmp_path / "r.csv", "a,b\n1," + "x" * 1_000 + "\n2,y\n")
        assert [row.line for row in RawFile(path).rows()] == [2, 3]
        assert list(broken(path)) == [2]

    @given(
        values=st.lists(
            st.fixed_dictionaries({"a": st.text(), "b": st.none() | st.integers(-(2**40), 2**40)}), min_size=1
        )
    )
    @settings(max_examples=60, deadline=None)
    def test_whatever_is_written_is_read(
        self, tmp_path_factory: pytest.TempPathFactory, values: list[dict[str, Any]]
    ) -> None:
        values = [{"a": v["a"].encode("utf-8", "replace").decode(), "b": v["b"]} for v in values]
        path = write(tmp_path_factory.mktemp("rows") / "r", json_lines(values))
        assert [row for _, row in good(path)] == values


class TestBrokenFiles:
    def refused(self, path: Path, *words: str) -> None:
        with pytest.raises(DataError) as caught:
            list(RawFile(path).rows())
        message = str(caught.value)
        assert "\n" not in message
        assert all(word in message for word in (str(path), *words)), message

    def test_missing(self, tmp_path: Path) -> None:
        self.refused(tmp_path / "nothing", "does not exist", "expected")

    def test_folder(self, tmp_path: Path) -> None:
        self.refused(tmp_path, "is a folder", "expected")

    @pytest.mark.parametrize("content", [b"", b"\n \n", b"\xef\xbb\xbf", gzip.compress(b"", mtime=0)])
    def test_empty(self, tmp_path: Path, content: bytes) -> None:
        self.refused(write(tmp_path / "r", content), "is empty", "expected")

    @pytest.mark.parametrize("header", [True, False])
    @pytest.mark.parametrize("keep", [0.02, 0.5, 0.99])
    def test_cut_off_gzip(self, tmp_path: Path, keep: float, header: bool) -> None:
        lines = [b"%d,%d\n" % (number, number * 7919 % 10_007) for number in range(50_000)]
        content = b"a,b\n" + b"".join(lines) if header else b"".join(b'{"a":[%s]}\n' % line.strip() for line in lines)
        packed = gzip.compress(content, 1)
        self.refused(write(tmp_path / "r.gz", packed[: int(len(packed) * keep)]), "cut off", "again")

    def test_where_a_file_is_cut_off_is_said_before_a_row_is_read(self, tmp_path: Path) -> None:
        packed = gzip.compress(b"".join(b'{"a": %d}\n' % (n * 7919 % 100_003) for n in range(250_000)), 1)
        path = write(tmp_path / "r.gz", packed[: len(packed) // 2])
        with pytest.raises(DataError, match=r"cut off.* after line \d{2,3},\d{3}"):
            next(RawFile(path).rows())

    def test_damaged_gzip(self, tmp_path: Path) -> None:
        packed = bytearray(gzip.compress(json_lines(JSON * 1000)))
        packed[-6] ^= 0xFF  # the checksum
        self.refused(write(tmp_path / "r.gz", bytes(packed)), "damaged")

    def test_damaged_parquet(self, tmp_path: Path) -> None:
        path = tmp_path / "r.parquet"
        pq.write_table(pa.table({"a": list(range(1000))}), path)
        self.refused(write(path, path.read_bytes()[:-20]), "damaged")

    def test_json_array_that_ends_early(self, tmp_path: Path) -> None:
        self.refused(write(tmp_path / "r.json", '[{"a": 1}, {"a": 2}'), "cut off", "after entry 2")
        self.refused(write(tmp_path / "r.json", '[{"a": 1}, {"a": '), "no JSON at entry 2")
        self.refused(write(tmp_path / "r.json", '[{"a": 1}] [{"a": 2}]'), "goes on after its end")

    @pytest.mark.parametrize(
        ("content", "word"),
        [(b"PK\x03\x04abc", "zip"), (b"BZh9abc", "bzip2"), (b"<!DOCTYPE html><p>", "web page")],
    )
    def test_other_kinds(self, tmp_path: Path, content: bytes, word: str) -> None:
        self.refused(write(tmp_path / "r", content), word)

    def test_packed_parquet(self, tmp_path: Path) -> None:
        buffer = io.BytesIO()
        pq.write_table(pa.table({"a": [1]}), buffer)
        self.refused(write(tmp_path / "r", gzip.compress(buffer.getvalue())), "gunzip")


class TestPeek:
    def test_columns_of_several_rows_and_every_row(self, tmp_path: Path) -> None:
        path = write(tmp_path / "r", 'oops\n{"a": 1}\n{"b": 2}\n{"c": 3}\n')
        header, found = peek(RawFile(path), good=3)
        assert header == ["a", "b"]
        assert [row.line for row in found] == [1, 2, 3, 4]

    def test_header_only(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="a header and no rows"):
            peek(RawFile(write(tmp_path / "r", "a,b\n")))

    def test_nothing_but_broken_lines(self, tmp_path: Path) -> None:
        path = write(tmp_path / "r", '{"a": 1,\n' * 50)
        with pytest.raises(DataError, match="none of the first 50 rows can be read as JSON lines; line 1: not JSON"):
            peek(RawFile(path))
        with pytest.raises(DataError, match="first 20 rows"):
            peek(RawFile(path), broken=20)
