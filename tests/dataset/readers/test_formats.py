import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_sys.dataset.readers.format_choice import choose_format
from rec_sys.dataset.readers.formats import ColumnNames, Review, ReviewFormat
from rec_sys.dataset.readers.rejects import Reason
from rec_sys.dataset.readers.review_reader import ReviewReader
from rec_sys.errors import ConfigError, DataError

PATH = Path("reviews.json")
ROW_2014 = {
    "reviewerID": "A2IB",
    "asin": "1384719342",
    "helpful": [0, 0],
    "overall": 5.0,
    "reviewText": "filters the pop sounds",
    "summary": "good",
    "unixReviewTime": 1393545600,
    "reviewTime": "02 28, 2014",
}
ROW_2018 = ROW_2014 | {"verified": True, "style": {"Size:": " 7.0 oz"}, "vote": "3"}
ROW_2023 = {
    "user_id": "AGKH",
    "parent_asin": "B00P",
    "asin": "B00V",
    "rating": 4.0,
    "title": "Nice",
    "text": "Works",
    "timestamp": 1588687728923,
    "verified_purchase": True,
    "helpful_vote": 0,
}
ROW_APP = {
    "reviewID": "R1",
    "nickname": "jo",
    "ProductName": " Blue  Yeti ",
    "TextReview": "Great mic",
    "Style": "black",
    "asin": "B00N",
    "score": "4",
    "date": "2021-03-04T05:06:07Z",
}
ROW_PLAIN = {"user_id": 7, "product_id": 9, "rating": "3", "timestamp": "1600000000", "text": "ok"}


ROW_TEXT = "good\nfilters the pop sounds"


def interactions(row: dict[str, Any], **columns: str) -> ReviewFormat:
    return choose_format(list(row), ColumnNames.read(columns, "data.columns"), PATH, interactions=True)


def chosen(row: dict[str, Any], **columns: str) -> ReviewFormat:
    return choose_format(list(row), ColumnNames.read(columns, "data.columns"), PATH)


def read(format_: ReviewFormat, row: dict[str, Any], place: int = 0) -> Review | Reason:
    return ReviewReader(format_).read(row, place)


class TestChoosing:
    @pytest.mark.parametrize(
        ("row", "name", "review"),
        [
            (
                ROW_2014,
                "Amazon 2014",
                Review("A2IB", "1384719342", 5.0, 1393545600, "good\nfilters the pop sounds", ""),
            ),
            (
                ROW_2018,
                "Amazon 2018",
                Review("A2IB", "1384719342", 5.0, 1393545600, "good\nfilters the pop sounds", ""),
            ),
            (ROW_2023, "Amazon 2023", Review("AGKH", "B00P", 4.0, 1588687728, "Nice\nWorks", "")),
            (ROW_APP, "app export", Review("jo", "B00N", 4.0, 1614834367, "Great mic", "Blue Yeti")),
            (
                ROW_APP | {"reviewerID": "A1"},
                "app export",
                Review("A1", "B00N", 4.0, 1614834367, "Great mic", "Blue Yeti"),
            ),
            (ROW_PLAIN, "plain", Review("7", "9", 3.0, 1600000000, "ok", "")),
        ],
    )
    def test_each_format(self, row: dict[str, Any], name: str, review: Review) -> None:
        format_ = chosen(row)
        assert format_.name == name
        assert read(format_, row) == review

    def test_mapped_columns(self) -> None:
        row = {"who": "a", "what": "b", "stars": 2, "when": "1600000000000", "head": "h", "body": "t", "label": "Pen"}
        format_ = chosen(
            row,
            user="who",
            product="what",
            rating="stars",
            timestamp="when",
            title="head",
            text="body",
            product_name="label",
        )
        assert read(format_, row) == Review("a", "b", 2.0, 1600000000, "h\nt", "Pen")

    def test_one_column_of_a_known_format_can_be_mapped(self) -> None:
        row = {("when" if name == "unixReviewTime" else name): value for name, value in ROW_2014.items()}
        del row["reviewTime"]
        format_ = chosen(row, timestamp="when")
        assert format_.name == "Amazon 2014, mapped columns"
        assert read(format_, row) == read(chosen(ROW_2014), ROW_2014)

    def test_no_rating_and_no_text_column(self) -> None:
        row = {"user_id": "a", "product_id": "b", "date": "2020-01-02"}
        assert read(chosen(row), row) == Review("a", "b", None, 1577923200, "", "")

    @pytest.mark.parametrize(
        ("row", "missing", "field"),
        [
            (ROW_2014, "asin", "product"),
            (ROW_2014, "reviewerID", "user"),
            (ROW_2018, "overall", "rating"),
            (ROW_2018, "reviewText", "text"),
            (ROW_2023, "timestamp", "timestamp"),
            (ROW_2023, "user_id", "user"),
            (ROW_PLAIN, "product_id", "product"),
            (ROW_PLAIN, "timestamp", "timestamp"),
        ],
    )
    def test_a_missing_column_is_named(self, row: dict[str, Any], missing: str, field: str) -> None:
        row = {name: value for name, value in row.items() if name not in (missing, "reviewTime")}
        with pytest.raises(DataError, match=f"has no column '{missing}'.* for the {field};.*data.columns.{field}="):
            chosen(row)

    def test_no_date_at_all_in_2014(self) -> None:
        row = {name: value for name, value in ROW_2014.items() if "Time" not in name}
        with pytest.raises(DataError, match="'unixReviewTime' or 'reviewTime' for the timestamp"):
            chosen(row)

    def test_unknown_header(self) -> None:
        with pytest.raises(DataError) as caught:
            chosen({f"column{n}": 1 for n in range(30)})
        message = str(caught.value)
        assert "\n" not in message
        for expected in ("'column0'", "and 10 more", "Amazon 2014", "Amazon 2018", "Amazon 2023", "data.columns.user="):
            assert expected in message

    def test_a_mapping_to_a_column_that_is_not_there(self) -> None:
        with pytest.raises(DataError, match=r"no column 'who' \(data.columns.user=who\); it has 'reviewerID'"):
            chosen(ROW_2014, user="who")

    def test_an_unknown_mapping(self) -> None:
        with pytest.raises(ConfigError, match="did you mean 'user'"):
            chosen(ROW_2014, usr="who")


class TestUsualNamesBesideAFormat:
    """A format has preferences; what it leaves empty is filled by the one table of names."""

    @pytest.mark.parametrize("text", ["review_text", "comment", "Body", "content"])
    @pytest.mark.parametrize("rating", ["stars", "Score", "starRating"])
    @pytest.mark.parametrize("product", ["product_id", "productID", "asin", "item_id"])
    def test_tables_of_shops(self, text: str, rating: str, product: str) -> None:
        row = {
            "id": 1,
            "user_id": 7,
            product: 9,
            rating: "3",
            text: "ok",
            "headline": "So so",
            "created_at": "2018-09-30",
        }
        format_ = chosen(row)
        assert read(format_, row) == Review("7", "9", 3.0, 1538265600, "So so\nok", "")
        assert format_.unread(row) == ["id"]

    def test_one_mapped_column_changes_no_other(self) -> None:
        row = {
            "title": "t",
            "body": "b",
            "rating": 5,
            "review_date": "2021-01-02",
            "who": "a",
            "product_id": 7,
            "reply": "",
        }
        assert read(chosen(row, user="who"), row) == Review("a", "7", 5.0, 1609545600, "t\nb", "")

    def test_case_and_punctuation_of_a_known_format(self) -> None:
        row = {name.upper(): value for name, value in ROW_2018.items()}
        format_ = chosen(row)
        assert format_.name == "Amazon 2018"
        assert read(format_, row) == read(chosen(ROW_2018), ROW_2018)

    def test_a_setting_is_compared_like_a_name(self) -> None:
        assert read(chosen(ROW_2018, text="review_text"), ROW_2018) == read(chosen(ROW_2018), ROW_2018)

    def test_what_a_known_format_does_not_read_is_listed(self) -> None:
        assert chosen(ROW_2018).unread(ROW_2018) == ["helpful", "verified", "style", "vote"]


class TestInteractions:
    """Files of no known format whose columns bear usual names, and any file read with data=interactions."""

    def test_usual_names_with_a_time_need_no_setting(self) -> None:
        row = {"visitorId": 7, "item": "x", "time": "2020-01-02", "event": "view"}
        format_ = chosen(row)
        assert (format_.name, format_.ordered_by, format_.unread(row)) == ("interactions", "time", ["event"])
        assert read(format_, row) == Review("7", "x", None, 1577923200, "", "")

    def test_an_order_stands_in_for_the_time(self) -> None:
        row = {"user": "a", "item": "x", "position": "12"}
        format_ = chosen(row)
        assert format_.ordered_by == "column"
        assert read(format_, row) == Review("a", "x", None, 12, "", "")
        assert read(format_, row | {"position": 3.0}, 99) == Review("a", "x", None, 3, "", "")
        for place in (None, "", "first", 1.5, math.inf, math.nan, 10**400, True):
            assert read(format_, row | {"position": place}) == Reason.BAD_ORDER
        assert chosen(row | {"date": "2020-01-02"}).ordered_by == "time"

    def test_who_names_the_order_means_it(self) -> None:
        row = ROW_2018 | {"n": -3}
        format_ = chosen(row, order="n")
        assert (format_.name, format_.ordered_by) == ("Amazon 2018, mapped columns", "column")
        found = read(format_, row)
        assert isinstance(found, Review)
        assert found.timestamp == -3

    def test_without_a_time_the_order_of_the_file_counts_if_asked_for(self) -> None:
        row = {"userId": "a", "sku": "x"}
        with pytest.raises(DataError, match=r"has no column 'timestamp'.*; or take .* with data=interactions"):
            chosen(row)
        format_ = interactions(row)
        assert format_.ordered_by == "file"
        assert read(format_, row, 17) == Review("a", "x", None, 17, "", "")
        assert interactions(row | {"date": "2020"}, timestamp="none").ordered_by == "file"

    def test_a_known_format_that_lacks_a_column_is_read_if_asked_for(self) -> None:
        row = {name: value for name, value in ROW_2018.items() if name != "overall"}
        with pytest.raises(DataError, match="take what there is with data=interactions"):
            chosen(row)
        assert read(interactions(row), row) == Review("A2IB", "1384719342", None, 1393545600, ROW_TEXT, "")
        assert read(interactions(ROW_2014), ROW_2014) == read(chosen(ROW_2014), ROW_2014)

    def test_ratings_may_be_missing_here_and_there_but_not_wrong(self) -> None:
        row = {"user": "a", "item": "x", "date": "2020-01-02", "stars": "4"}
        format_ = chosen(row)
        for stars, rating in (("4", 4.0), ("", None), (None, None), (math.nan, None)):
            found = read(format_, row | {"stars": stars})
            assert isinstance(found, Review)
            assert found.rating == rating
        assert read(format_, row | {"stars": "0.5"}) == Reason.RATING_OUT_OF_RANGE
        assert read(format_, row | {"stars": "good"}) == Reason.RATING_NOT_A_NUMBER

    @pytest.mark.parametrize("row", [ROW_2014, ROW_PLAIN, {"user": "a", "item": "x", "date": "2020", "rating": 9}])
    def test_none_reads_no_column(self, row: dict[str, Any]) -> None:
        format_ = chosen(row, rating="none", text="none")
        found = read(format_, row)
        assert isinstance(found, Review)
        assert found.rating is None
        assert found.text in ("", "good")  # the title stays

    def test_user_and_product_cannot_be_left_out(self) -> None:
        with pytest.raises(DataError, match="for the user"):
            interactions({"user": "a", "item": "x"}, user="none")
        with pytest.raises(DataError, match="has no column 'item_id' or 'item' or 'product_id' for the product"):
            interactions({"user": "a", "thing": "x"})

    def test_a_named_column_is_nothing_else_too(self) -> None:
        row = {"user": "a", "item": "x", "date": "2020-01-01", "summary": "Pen"}
        assert read(chosen(row, product_name="summary"), row) == Review("a", "x", None, 1577836800, "", "Pen")

    def test_a_file_without_a_header(self) -> None:
        with pytest.raises(DataError, match=r"'196', '242', '3' \(is this a row, and the header missing\?\)"):
            chosen({"196": "1", "242": "2", "3": "1"})


class TestRows:
    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"reviewerID": None}, Reason.NO_USER),
            ({"reviewerID": " \0"}, Reason.NO_USER),
            ({"reviewerID": ["a"]}, Reason.NO_USER),
            ({"reviewerID": True}, Reason.NO_USER),
            ({"asin": ""}, Reason.NO_PRODUCT),
            ({"asin": math.nan}, Reason.NO_PRODUCT),
            ({"overall": None}, Reason.RATING_NOT_A_NUMBER),
            ({"overall": ""}, Reason.RATING_NOT_A_NUMBER),
            ({"overall": "fine"}, Reason.RATING_NOT_A_NUMBER),
            ({"overall": True}, Reason.RATING_NOT_A_NUMBER),
            ({"overall": [5]}, Reason.RATING_NOT_A_NUMBER),
            ({"overall": math.nan}, Reason.RATING_NOT_A_NUMBER),
            ({"overall": "NaN"}, Reason.RATING_NOT_A_NUMBER),
            ({"overall": 10**400}, Reason.RATING_NOT_A_NUMBER),
            ({"overall": math.inf}, Reason.RATING_OUT_OF_RANGE),
            ({"overall": "-inf"}, Reason.RATING_OUT_OF_RANGE),
            ({"overall": 0}, Reason.RATING_OUT_OF_RANGE),
            ({"overall": 5.01}, Reason.RATING_OUT_OF_RANGE),
            ({"unixReviewTime": None, "reviewTime": " "}, Reason.NO_DATE),
            ({"unixReviewTime": "soon"}, Reason.BAD_DATE),
            ({"unixReviewTime": -5}, Reason.BAD_DATE),
            ({"unixReviewTime": 99_999_999_999}, Reason.BAD_DATE),
        ],
    )
    def test_reasons(self, change: dict[str, Any], reason: Reason) -> None:
        assert read(chosen(ROW_2014), ROW_2014 | change) == reason

    def test_a_missing_rating_key_is_no_rating(self) -> None:
        row = {name: value for name, value in ROW_2014.items() if name != "overall"}
        assert read(chosen(ROW_2014), row) == Reason.RATING_NOT_A_NUMBER

    def test_edges_of_the_rating(self) -> None:
        for rating in (1, 5, "1.0", " 4.5 ", Decimal("3")):
            review = read(chosen(ROW_2014), ROW_2014 | {"overall": rating})
            assert isinstance(review, Review)
            assert review.rating == float(rating)

    def test_the_date_falls_back(self) -> None:
        for missing in (None, "", math.nan):
            review = read(chosen(ROW_2014), ROW_2014 | {"unixReviewTime": missing})
            assert isinstance(review, Review)
            assert review.timestamp == 1393545600

    @pytest.mark.parametrize(
        ("title", "body", "text"),
        [
            (" a ", " b\n", "a\nb"),
            ("a", None, "a"),
            (None, "b", "b"),
            ("", " ", ""),
            (None, ["x"], ""),
            (5, "\0b", "5\nb"),
        ],
    )
    def test_text(self, title: Any, body: Any, text: str) -> None:
        review = read(chosen(ROW_2014), ROW_2014 | {"summary": title, "reviewText": body})
        assert isinstance(review, Review)
        assert review.text == text

    def test_the_person_of_an_app_falls_back_to_the_nickname(self) -> None:
        row = ROW_APP | {"reviewerID": ""}
        review = read(chosen(row), row)
        assert isinstance(review, Review)
        assert review.user_id == "jo"

    @given(
        change=st.dictionaries(
            st.sampled_from(sorted(ROW_2018)),
            st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers()) | st.binary(),
        )
    )
    def test_no_row_is_too_strange(self, change: dict[str, Any]) -> None:
        found = read(chosen(ROW_2018), ROW_2018 | change)
        if isinstance(found, Review):
            assert found.user_id == found.user_id.strip() != ""
            assert found.product_id == found.product_id.strip() != ""
            assert found.rating is not None
            assert 1 <= found.rating <= 5
            assert 0 <= found.timestamp < 4_102_444_800
            assert "\0" not in "".join((found.user_id, found.product_id, found.text))
        else:
            assert found in set(Reason)
