import gzip
import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rec_sys import columns
from rec_sys.dataset import review_writer, reviews
from rec_sys.dataset.prepared import PreparedReviews
from rec_sys.dataset.readers.reading_settings import ReadSettings
from rec_sys.dataset.readers.rejects import Reason, Rejects
from rec_sys.dataset.reviews import prepare_reviews
from rec_sys.dataset.table import load_table
from rec_sys.errors import ConfigError, DataError
from rec_sys.progress import Progress


def row(
    user: str = "u", product: str = "p", when: Any = 1_400_000_000, rating: Any = 5.0, **more: Any
) -> dict[str, Any]:
    fields = {"reviewerID": user, "asin": product, "overall": rating, "unixReviewTime": when, "verified": True}
    return fields | {"reviewText": f"{user} on {product}", "summary": "so so"} | more


def written(path: Path, rows: Iterable[dict[str, Any] | bytes]) -> Path:
    path.write_bytes(b"".join((r if isinstance(r, bytes) else orjson.dumps(r)) + b"\n" for r in rows))
    return path


def prepared(
    path: Path, rows: Iterable[dict[str, Any] | bytes], metadata: Path | None = None, **settings: Any
) -> PreparedReviews:
    """Read with these settings; whatever is left out is no reason to stop."""
    chosen = ReadSettings.read({"max_left_out": 1, "check_dates": False, **settings}, "data")
    return prepare_reviews(written(path / "raw", rows), path / "out", chosen, metadata)


def kept(found: PreparedReviews) -> list[dict[str, Any]]:
    return pl.read_parquet(found.folder / columns.REVIEWS_FILE).to_dicts()


def products(found: PreparedReviews) -> dict[str, tuple[str, str]]:
    return {id_: (name, text) for id_, name, text in pl.read_parquet(found.folder / columns.PRODUCTS_FILE).rows()}


def rejects(found: PreparedReviews) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in (found.folder / columns.REJECTS_FILE).read_bytes().splitlines()]


BAD: list[dict[str, Any] | bytes] = [
    b'{"reviewerID": "u", ',
    row(user=" "),
    row(product=""),
    row(rating=None),
    b'{"reviewerID": "u", "asin": "p", "overall": NaN, "unixReviewTime": 1, "reviewText": ""}',
    row(rating=6),
    row(when=None),
    row(when="soon"),
    b"[1, 2]",
]
WHY = [
    "broken line",
    "no user",
    "no product",
    "rating is not a number",
    "rating is not a number",
    "rating out of range",
    "no date",
    "bad date",
    "broken line",
]


class TestFolder:
    def test_what_is_written(self, tmp_path: Path) -> None:
        found = prepared(
            tmp_path, [row("a", "x"), row("b", "x", rating=1, when=1_300_000_000), row("a", "y", reviewText="")]
        )
        assert found.folder.parent == tmp_path / "out"
        assert found.folder.name == found.fingerprint[:16]
        assert (found.format, found.read, found.kept, found.products, found.without_text) == ("Amazon 2018", 3, 3, 2, 0)
        assert (found.first, found.last) == (1_300_000_000, 1_400_000_000)
        assert kept(found) == [
            {
                "user_id": "a",
                "product_id": "x",
                "rating": 5.0,
                "timestamp": 1_400_000_000,
                "text": "so so\na on x",
                "line": 1,
            },
            {
                "user_id": "b",
                "product_id": "x",
                "rating": 1.0,
                "timestamp": 1_300_000_000,
                "text": "so so\nb on x",
                "line": 2,
            },
            {"user_id": "a", "product_id": "y", "rating": 5.0, "timestamp": 1_400_000_000, "text": "so so", "line": 3},
        ]
        schema = pq.read_schema(found.folder / columns.REVIEWS_FILE)
        assert [str(field.type) for field in schema] == ["string", "string", "float", "int64", "string", "int64"]
        assert rejects(found) == []
        assert orjson.loads((found.folder / columns.SUMMARY_FILE).read_bytes())["kept"] == 3

    def test_the_table_can_be_built(self, tmp_path: Path) -> None:
        found = prepared(tmp_path, [row("a", "x", when=2), row("a", "y", when=1)])
        table = load_table(found.folder, found.fingerprint)
        assert [table.products.id(int(number)) for number in table.product] == ["y", "x"]

    def test_no_rating_column_gives_null(self, tmp_path: Path) -> None:
        found = prepared(tmp_path, [{"user_id": "a", "product_id": "x", "timestamp": 1}])
        assert kept(found)[0]["rating"] is None
        assert found.without_text == 1

    def test_one_row_group_a_batch(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(review_writer, "BATCH", 10)
        found = prepared(tmp_path, [row(product=str(number)) for number in range(25)])
        file = pq.ParquetFile(found.folder / columns.REVIEWS_FILE)
        assert [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)] == [10, 10, 5]
        assert [r["product_id"] for r in kept(found)] == [str(number) for number in range(25)]

    def test_long_texts_end_a_row_group(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(review_writer, "BATCH_CHARACTERS", 1_000)
        found = prepared(tmp_path, [row(product=str(number), reviewText="x" * 600) for number in range(4)])
        assert pq.ParquetFile(found.folder / columns.REVIEWS_FILE).num_row_groups == 2

    def test_same_content_same_folder_whatever_the_source(self, tmp_path: Path) -> None:
        rows = [row("a", "x"), row("b", "y")]
        plain = prepared(tmp_path, rows)
        (tmp_path / "packed").write_bytes(gzip.compress((tmp_path / "raw").read_bytes()))
        packed = prepare_reviews(tmp_path / "packed", tmp_path / "out")
        text = "reviewerID,asin,overall,unixReviewTime,reviewText,summary,verified\r\n" + "".join(
            f"{r['reviewerID']},{r['asin']},{r['overall']},{r['unixReviewTime']},{r['reviewText']},{r['summary']},True\r\n"
            for r in rows
        )
        (tmp_path / "csv").write_text(text, newline="")
        pl.DataFrame(rows).write_parquet(tmp_path / "parquet")
        for other in (
            packed,
            prepare_reviews(tmp_path / "csv", tmp_path / "out"),
            prepare_reviews(tmp_path / "parquet", tmp_path / "out"),
        ):
            assert [r | {"line": 0} for r in kept(other)] == [r | {"line": 0} for r in kept(plain)]
            assert other.format == "Amazon 2018"


class TestRejects:
    def test_each_reason_is_counted_and_written_with_its_line(self, tmp_path: Path) -> None:
        found = prepared(tmp_path, [row(), *BAD])
        assert (found.read, found.kept) == (10, 1)
        assert found.rejected == Counter(WHY)
        assert [(r["line"], r["reason"]) for r in rejects(found)] == list(enumerate(WHY, 2))
        assert rejects(found)[5]["row"] == {
            "reviewerID": "u",
            "asin": "p",
            "overall": "6",
            "unixReviewTime": "1400000000",
        }
        assert "[1, 2]" in rejects(found)[8]["row"]

    def test_csv_rows_with_other_numbers_of_fields(self, tmp_path: Path) -> None:
        text = b'user_id,product_id,rating,timestamp,text\na,x,5,1,"two\nlines"\nb,x,5,1\nc,x,nan,1,t\nd,x,4,2,t'
        found = prepared(tmp_path, [text])
        assert [(r["user_id"], r["line"], r["text"]) for r in kept(found)] == [("a", 2, "two\nlines"), ("d", 6, "t")]
        assert [(r["line"], r["reason"]) for r in rejects(found)] == [(4, "broken line"), (5, "rating is not a number")]

    def test_giant_rows_are_cut(self, tmp_path: Path) -> None:
        giant = "x" * 1_000_000
        huge = orjson.dumps(row("b", rating=-1)).replace(b"-1", b"1" * 4_000)
        found = prepared(tmp_path, [row(), row(user=giant, rating=giant), giant.encode(), huge])
        assert all(len(orjson.dumps(reject)) < 1_000 for reject in rejects(found))
        assert len(rejects(found)) == 3

    def test_what_is_wrong_with_a_line_is_cut_too(self, tmp_path: Path) -> None:
        with Rejects(tmp_path / "rejects") as rejects:
            rejects.add(7, Reason.BROKEN, "x" * 10_000)
        assert rejects.counts == {Reason.BROKEN: 1}
        assert rejects.first.startswith("line 7: broken line, xxx")
        assert orjson.loads((tmp_path / "rejects").read_bytes())["row"] == "x" * 500

    def test_repeated_reviews(self, tmp_path: Path) -> None:
        first = row("a", "x", when=100)
        others = [
            row("a", "x", when=200),  # same text
            row("a", "x", when=100, reviewText="other"),  # same date
            row("a", "x", when=100, rating=1.0),
            row("a", "x", when=200, reviewText="other"),  # rejected ones do not count as seen: kept
            row("a", "y", when=100, reviewText="a on x"),
            row("b", "x", when=100, reviewText="a on x"),
        ]
        found = prepared(tmp_path, [first, *others])
        assert [r["line"] for r in kept(found)] == [1, 5, 6, 7]
        assert found.rejected == {"repeated review": 3}

    def test_ids_that_run_into_each_other_are_no_repetition(self, tmp_path: Path) -> None:
        assert prepared(tmp_path, [row("ab", "c"), row("a", "bc")]).kept == 2

    def test_two_empty_texts_are_no_repetition(self, tmp_path: Path) -> None:
        rows = [{"user_id": "a", "product_id": "x", "timestamp": when} for when in (1, 2, 2)]
        assert prepared(tmp_path, rows).kept == 2

    def test_nothing_usable(self, tmp_path: Path) -> None:
        with pytest.raises(DataError) as caught:
            prepared(tmp_path, [row(rating=6), *BAD[1:4]])
        message = str(caught.value)
        (refused,) = (tmp_path / "out").iterdir()
        for expected in (
            str(refused),
            "no usable review",
            "4 rows read",
            "no user 1",
            "rating out of range 1",
            "line 1: rating out of range",
        ):
            assert expected in message
        assert "\n" not in message
        assert len(refused.read_bytes().splitlines()) == 4

    @given(
        rows=st.lists(
            st.sampled_from([orjson.dumps(bad) if isinstance(bad, dict) else bad for bad in BAD])
            | st.builds(
                row,
                user=st.sampled_from("ab"),
                product=st.sampled_from("xy"),
                when=st.integers(0, 3),
                rating=st.integers(0, 6),
                reviewText=st.sampled_from(["", "good", "bad"]),
            )
            | st.binary(max_size=20).map(lambda line: b"{" + line.replace(b"\n", b"")),
            max_size=30,
        )
    )
    @settings(max_examples=40, deadline=None)
    def test_every_row_is_kept_or_left_out(
        self, tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any] | bytes]
    ) -> None:
        found = prepared(tmp_path_factory.mktemp("raw"), [row("first"), *rows], rating_scale="1..5")
        assert found.kept + sum(found.rejected.values()) == found.read == 1 + len(rows)
        assert len(kept(found)) == found.kept
        assert Counter(reject["reason"] for reject in rejects(found)) == found.rejected
        lines = [r["line"] for r in kept(found)] + [reject["line"] for reject in rejects(found)]
        assert sorted(lines) == list(range(1, found.read + 1))
        keys = [(r["user_id"], r["product_id"], r["timestamp"]) for r in kept(found)]
        assert len(set(keys)) == len(keys)


class TestReuse:
    def test_a_second_call_reads_nothing(self, tmp_path: Path) -> None:
        first = prepared(tmp_path, [row(), *BAD])
        before = (first.folder / columns.REVIEWS_FILE).stat().st_mtime_ns
        (tmp_path / "raw").rename(tmp_path / "moved")
        settings = ReadSettings(check_dates=False, max_left_out=0.5)  # the bound changes nothing in what is kept
        second = prepare_reviews(tmp_path / "moved", tmp_path / "out", settings)
        assert second == first
        assert (first.folder / columns.REVIEWS_FILE).stat().st_mtime_ns == before
        with pytest.raises(DataError, match=r"2 of 10 rows .*broken line"):
            prepare_reviews(tmp_path / "moved", tmp_path / "out", ReadSettings(check_dates=False, max_left_out=0.1))

    def test_other_content_or_settings_or_version_or_metadata_give_another_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        metadata = written(tmp_path / "meta", [{"asin": "p", "title": "Pen"}])
        mapped = {"title": "reviewText"}
        found = [
            prepared(tmp_path, [row()]),
            prepared(tmp_path, [row(), row("b")]),
            prepared(tmp_path, [row()], columns=mapped),
            prepared(tmp_path, [row()], metadata=metadata),
        ]
        monkeypatch.setattr(reviews, "VERSION", reviews.VERSION + 1)
        found.append(prepared(tmp_path, [row()]))
        assert len({one.folder for one in found}) == 5
        assert len(list((tmp_path / "out").iterdir())) == 5

    @pytest.mark.parametrize("name", [columns.SUMMARY_FILE, columns.REVIEWS_FILE])
    def test_a_folder_that_lacks_a_file_is_made_again(self, tmp_path: Path, name: str) -> None:
        first = prepared(tmp_path, [row()])
        (first.folder / name).unlink()
        assert prepared(tmp_path, [row()]) == first
        assert (first.folder / name).is_file()

    def test_a_damaged_summary_is_made_again(self, tmp_path: Path) -> None:
        first = prepared(tmp_path, [row()])
        (first.folder / columns.SUMMARY_FILE).write_text('{"fingerprint": 1}')
        assert prepared(tmp_path, [row()]) == first

    def test_a_file_cut_off_leaves_nothing(self, tmp_path: Path) -> None:
        packed = gzip.compress(b"".join(orjson.dumps(row(str(n * 7919 % 10_007))) + b"\n" for n in range(20_000)), 1)
        (tmp_path / "raw.gz").write_bytes(packed[:-1000])
        with pytest.raises(DataError, match="cut off"):
            prepare_reviews(tmp_path / "raw.gz", tmp_path / "out")
        assert list(tmp_path.glob("out/*")) == []

    def test_a_killed_run_leaves_no_folder_that_would_be_used(self, tmp_path: Path) -> None:
        path = written(tmp_path / "raw", (row(str(n), when=1_400_000_000 + 100 * n) for n in range(100_000)))
        process = multiprocessing.get_context("spawn").Process(
            target=prepare_reviews, args=(path, tmp_path / "out"), kwargs={"progress": False}
        )
        process.start()
        end = time.monotonic() + 60
        while not list((tmp_path / "out").glob(".*.part")) and time.monotonic() < end:
            time.sleep(0.005)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert [one.name for one in (tmp_path / "out").iterdir() if not one.name.startswith(".")] == []
        assert prepare_reviews(path, tmp_path / "out").kept == 100_000


class TestProducts:
    ROWS = (row("a", "x"), row("a", "y"), row("a", "z"))

    def test_metadata_of_reviewed_products(self, tmp_path: Path) -> None:
        metadata = written(
            tmp_path / "meta",
            [{"asin": "x", "title": "Pen", "brand": "Bic"}, b"{", {"asin": "new", "title": "Ink"}, {"asin": "y"}],
        )
        found = prepared(tmp_path, self.ROWS, metadata=metadata)
        assert products(found) == {"x": ("Pen", "Pen. Bic")}
        assert (found.products, found.products_named) == (3, 1)
        assert found.metadata == {"read": 4, "broken": 1, "empty": 1, "reviewed": 1}
        assert "broken metadata rows" in found.describe()
        settings = ReadSettings(metadata=metadata, max_left_out=1, check_dates=False)
        assert prepare_reviews(tmp_path / "raw", tmp_path / "out", settings) == found

    def test_names_in_the_reviews(self, tmp_path: Path) -> None:
        rows = [
            {"nickname": "a", "asin": "x", "TextReview": "good", "ProductName": name, "date": f"2020-01-0{day}"}
            for day, name in enumerate(["", "Pen", "Other"], 1)
        ]
        rows += [rows[0] | {"asin": "y", "ProductName": "Ink"}, rows[0] | {"asin": "z"}]
        for number, one in enumerate(rows):
            one["TextReview"] = str(number)
        metadata = written(tmp_path / "meta", [{"asin": "y", "brand": "Bic"}, {"asin": "x", "title": "Pencil"}])
        assert products(prepared(tmp_path, rows)) == {"x": ("Pen", "Pen"), "y": ("Ink", "Ink")}
        assert products(prepared(tmp_path, rows, metadata=metadata)) == {
            "y": ("Ink", "Ink. Bic"),
            "x": ("Pencil", "Pencil"),
        }

    def test_a_missing_metadata_file_is_told_first(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="meta does not exist"):
            prepared(tmp_path, [row(rating=9)], metadata=tmp_path / "meta")


class TestSettingsAndWords:
    def test_mapped_columns(self, tmp_path: Path) -> None:
        named = {"user": "who", "product": "what", "timestamp": "when"}
        found = prepared(tmp_path, [b"who,what,when\na,x,1600000000000"], columns=named)
        assert kept(found)[0]["timestamp"] == 1_600_000_000
        with pytest.raises(ConfigError, match=r"data\.columns\.usr"):
            ReadSettings.read({"columns": {"usr": "who"}}, "data")

    def test_a_file_as_output_folder(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="raw is a file; expected a folder"):
            prepare_reviews(written(tmp_path / "raw", [row()]), tmp_path / "raw")

    def test_describe(self, tmp_path: Path) -> None:
        found = prepared(tmp_path, [row(), row("b", reviewText="", summary=""), *BAD])
        words = " ".join(found.describe().split())
        for expected in (
            "read 11 raw (Amazon 2018)",
            "file JSON lines, UTF-8",
            "lines 11 = 2 kept + 9 left out",
            "user reviewerID product asin rating overall timestamp unixReviewTime text reviewText title summary",
            "columns not read 1 verified",
            "kept 2 2014-05-13 to 2014-05-13",
            "with a rating 2 with a text 1",
            f"left out 9 {found.folder / columns.REJECTS_FILE} broken line 2",
            "users 2 products 1 with a name or text 0",
        ):
            assert expected in words

    def test_progress_ends_at_the_size_of_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "raw.gz"
        path.write_bytes(
            gzip.compress(
                b"".join(orjson.dumps(row(str(n), when=1_400_000_000 + 100 * n)) + b"\n" for n in range(5_000))
            )
        )
        told: list[Progress] = []
        prepare_reviews(path, tmp_path / "out", progress=told.append)
        assert [step.done for step in told] == sorted(step.done for step in told)
        assert told[-1].done == told[-1].total == path.stat().st_size
