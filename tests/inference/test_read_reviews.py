from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from rec_sys.dataset.readers.column_aliases import ALIASES
from rec_sys.errors import DataError
from rec_sys.ids import NEW_USER
from rec_sys.inference.data_form import DataForm
from rec_sys.inference.read_reviews import parse_users, read_users
from rec_sys.inference.users import Review, User, in_time_order


def parse(value: object) -> list[User]:
    return parse_users(orjson.dumps(value), "r.json")


def test_a_list_of_reviews_is_one_new_user() -> None:
    users = parse([{"asin": "B1", "reviewText": "Good"}, {"text": "Only a text"}])
    assert users == [User(NEW_USER, [Review("B1", "Good"), Review("", "Only a text")])]


def test_reviews_that_name_their_authors_are_sorted_to_them() -> None:
    rows = [{"reviewerID": "A", "asin": "1"}, {"reviewerID": "B", "asin": "2"}, {"reviewerID": "A", "asin": "3"}]
    expected = [User("A", [Review("1"), Review("3")]), User("B", [Review("2")])]
    assert parse(rows) == expected
    lines = b"\n".join(orjson.dumps(row) for row in rows)
    assert parse_users(b"\xef\xbb\xbf" + lines + b"\n\n", "r.jsonl") == expected


def test_an_object_of_users() -> None:
    assert parse({"A": [{"asin": "1"}], "B": []}) == [User("A", [Review("1")]), User("B", [])]
    assert parse({"user_id": "A", "reviews": [{"asin": "1"}]}) == [User("A", [Review("1")])]
    assert parse({"reviews": []}) == [User(NEW_USER, [])]
    assert parse([]) == [User(NEW_USER, [])]
    assert parse({"asin": "1", "text": "one review"}) == [User(NEW_USER, [Review("1", "one review")])]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (  # Amazon 2018
            {
                "overall": 5.0,
                "verified": True,
                "reviewTime": "09 1, 2016",
                "reviewerID": "A",
                "asin": "B1",
                "style": {"Color:": " Red"},
                "reviewText": "Body",
                "summary": "Title",
                "unixReviewTime": 1472688000,
                "image": ["x.jpg"],
            },
            Review("B1", "Title\nBody", 5.0, 1472688000),
        ),
        (  # Amazon 2023
            {
                "user_id": "A",
                "parent_asin": "P1",
                "asin": "B1",
                "rating": 4,
                "timestamp": 1588687728923,
                "text": "Body",
                "title": "T",
            },
            Review("P1", "T\nBody", 4.0, 1588687728),
        ),
        (  # an app's export
            {
                "reviewID": 7,
                "reviewerID": "A",
                "nickname": "n",
                "ProductName": " Blue  harp ",
                "TextReview": "Body",
                "score": "3",
                "Style": "Red",
                "asin": "B1",
                "date": "2018-09-30",
            },
            Review("B1", "Body", 3.0, 1538265600, "Blue harp"),
        ),
        ({"nickname": "A", "ProductName": "Harp", "comment": "Body"}, Review("", "Body", None, None, "Harp")),
        ({"user": "A", "product_id": 12, "rating": None, "text": ""}, Review("12")),
    ],
)
def test_field_names_of_the_known_formats(row: dict[str, object], expected: Review) -> None:
    assert parse([row]) == [User("A", [expected])]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "r.json is empty; expected JSON"),
        (b" \n", "r.json is empty"),
        (b"Great strings!", r"r\.json is not JSON"),
        (b'[{"asin": "1"}', r"r\.json is not JSON"),
        (b'{"asin": "1"}\n{"asin": }\n', r"r\.json, line 2 is not JSON"),
        (b'{"asin": "1"}\n"B2"\n', r'r\.json, line 2 holds "B2"; expected'),
        (b'\xff\xfe{"asin"', "not JSON"),
        (b'[{"asin": "1", "rating": NaN}]', "not JSON"),
        (b"3", r"r\.json holds 3"),
        (b"null", r"r\.json holds null"),
        (b"{}", r"r\.json holds \{\}"),
        (b'["B1"]', r'r\.json, entry 1 is "B1"; expected a review'),
        (b'{"A": [1]}', r"r\.json, 'A', review 1 is 1; expected a review"),
        (b'[{"asin": "1"}, {"rating": 5}]', "entry 2 holds neither a product .* nor a text .*it has 'rating'"),
        (b'[{"asin": "1", "overall": 6}]', "entry 1: overall is 6; expected a number from 1 to 5"),
        (b'[{"asin": "1", "score": "fine"}]', 'score is "fine"'),
        (b'[{"asin": "1", "rating": true}]', "rating is true"),
        (b'{"A": [{"asin": "1", "timestamp": "yesterday"}]}', "'A', review 1: timestamp is \"yesterday\""),
        (b'[{"asin": "1", "unixReviewTime": -5}]', "unixReviewTime is -5; expected a date"),
    ],
)
def test_what_makes_no_sense_is_told_in_one_line(raw: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        parse_users(raw, "r.json")
    assert "\n" not in str(caught.value)


def test_files_and_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "r.json"
    file.write_text('[{"asin": "1"}]')
    expected = [User(NEW_USER, [Review("1")])]
    assert read_users(str(file)) == expected
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(file.read_bytes())))
    assert read_users("-") == expected
    with pytest.raises(DataError, match="standard input is empty"):
        read_users("-")
    for bad in (tmp_path / "none.json", tmp_path):
        with pytest.raises(DataError, match=r"cannot be read \("):
            read_users(str(bad))


def test_what_describes_the_product() -> None:
    row = {"asin": "X", "product_name": "A harp.", "product_info": " with\n strings "}
    (user,) = parse_users(orjson.dumps([row]), "r.json")
    assert user.reviews == [Review("X", product_name="A harp.", product_info="with strings")]
    assert user.reviews[0].product_text == "A harp. with strings"
    assert Review(product_name="A harp.", product_info="with strings").product_text == "A harp."  # it is looked up
    assert Review(product_info="with strings").product_text == "with strings"
    assert Review("X", "text").product_text == ""
    (user,) = parse_users(b'[{"ProductInfo": "with strings"}]', "r.json")
    assert user.reviews == [Review(product_info="with strings")]


@pytest.mark.parametrize(
    ("name", "value"), [("asin", {"id": 1}), ("comment", ["a"]), ("reviewerID", True), ("product_info", [])]
)
def test_a_field_that_holds_no_text(name: str, value: object) -> None:
    row = {"asin": "X", "comment": "fine", name: value}
    with pytest.raises(DataError, match=rf"r\.json, entry 1: {name} is .*; expected a text, or leave it out"):
        parse_users(orjson.dumps([row]), "r.json")


def test_order_in_time() -> None:
    def at(*times: int | None) -> list[tuple[str, int]]:
        reviews = [Review(str(place), timestamp=time) for place, time in enumerate(times)]
        return [(review.product_id, time) for review, time in in_time_order(reviews)]

    assert at() == []
    assert at(None, None) == [("0", 0), ("1", 0)]
    assert at(30, 10, 10, 20) == [("1", 10), ("2", 10), ("3", 20), ("0", 30)]
    assert at(None, 20, None, 10, None) == [("3", 10), ("4", 10), ("0", 20), ("1", 20), ("2", 20)]


@pytest.mark.parametrize("terminal", [True, False])
def test_whoever_sits_at_a_terminal_is_told_that_reviews_are_awaited(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = io.TextIOWrapper(io.BytesIO(b'[{"text": "Good"}]'))
    monkeypatch.setattr(stream, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stdin", stream)
    assert read_users("-") == [User(NEW_USER, [Review("", "Good")])]
    expected = "reading reviews from standard input, end with Ctrl-D\n" if terminal else ""
    assert capsys.readouterr() == ("", expected)


class TestNames:
    """Every name that training reads is read here, and what is not understood is said."""

    @pytest.mark.parametrize("user", ["customer", "Customer ID", "userId", "reviewer_email", "kunde", "UID"])
    @pytest.mark.parametrize("product", ["sku", "productId", "StockCode", "PRODUCT-ID", "movieId"])
    def test_usual_names_of_training(self, user: str, product: str) -> None:
        rows = [{user: who, product: what, "Stars": 4, "createdAt": "2018-09-30"} for who, what in ("ax", "by", "az")]
        review = {"rating": 4.0, "timestamp": 1538265600}
        assert parse(rows) == [
            User("a", [Review("x", **review), Review("z", **review)]),  # type: ignore[arg-type]
            User("b", [Review("y", **review)]),  # type: ignore[arg-type]
        ]
        assert [user.note for user in parse(rows)] == ["", ""]

    def test_every_alias_is_read(self) -> None:
        for field, expected in (("user", User("7", [Review("", "t")])), ("product", User("a", [Review("7", "t")]))):
            for alias in ALIASES[field]:
                row = {alias: "7", "text": "t"} | ({} if field == "user" else {"user_id": "a"})
                assert parse([row]) == [expected], alias

    def test_a_shop_that_knows_emails(self) -> None:
        """WooCommerce: a name is shared by several, the address is not."""
        fields = {"date_created": "2019-10-01T10:00:00", "reviewer": "Ann", "rating": 5}
        rows = [fields | {"reviewer_email": who, "product_id": what} for who, what in (("a@x", 200), ("b@x", 212))]
        assert [user.user_id for user in parse(rows)] == ["a@x", "b@x"]
        assert [user.reviews[0].timestamp for user in parse(rows)] == [1569924000] * 2

    def test_fields_inside_fields(self) -> None:
        row = {"user": {"name": "Ann", "email_address": "ann@x"}, "product": {"sku": "200"}, "comments": "Lovely"}
        assert parse([row]) == [User("ann@x", [Review("200", "Lovely")])]

    @pytest.mark.parametrize("wrap", [lambda rows: {"data": rows}, lambda rows: {"response": {"reviews": rows}}])
    def test_wrapped_lists(self, wrap: Callable[[object], object]) -> None:
        rows = [{"userId": 1, "productId": 3}, {"userId": 2, "productId": 3}]
        assert parse(wrap(rows)) == parse(rows) == [User("1", [Review("3")]), User("2", [Review("3")])]

    def test_a_list_of_reviews_by_several_authors_is_not_one_user(self) -> None:
        rows = [{"userId": 1, "productId": 3}, {"userId": 2, "productId": 3}]
        assert [user.user_id for user in parse({"whatever": rows})] == ["1", "2"]

    def test_what_stands_beside_the_reviews_belongs_to_each(self) -> None:
        value = {"userId": 7, "productId": "x", "reviews": [{"text": "a"}, {"text": "b", "productId": "y"}]}
        assert parse(value) == [User("7", [Review("x", "a"), Review("y", "b")])]

    def test_names_of_the_models_own_data_come_first(self) -> None:
        rows = [{"wer": who, "was": "x", "user_id": "shop"} for who in "ab"]
        form = DataForm(columns={"user": "Wer", "product": "was", "text": "not in this request"})
        users = parse_users(orjson.dumps(rows), "r.json", form)
        assert users == [User("a", [Review("x")]), User("b", [Review("x")])]

    def test_ratings_are_read_on_the_scale_of_the_models_data(self) -> None:
        rows = [{"item": n, "rating": rating} for n, rating in enumerate([1, 5.5, 10, 0, None, "7"])]
        form = DataForm(rating_scale=(1, 10))
        (user,) = parse_users(orjson.dumps(rows), "r.json", form)
        assert [review.rating for review in user.reviews] == [1, 3, 5, None, None, pytest.approx(11 / 3)]
        with pytest.raises(DataError, match="11; expected a number from 1 to 10"):
            parse_users(orjson.dumps([{"item": 1, "rating": 11}]), "r.json", form)

    def test_what_is_not_understood_is_named(self) -> None:
        rows = [{"user": "a", "sku": 1, "colour": "red", "mood": None, "verified": True}, {"user": "b", "sku": 1}]
        assert [user.note for user in parse(rows)] == ["fields not understood: colour", ""]

    def test_several_reviews_without_an_author_are_said(self) -> None:
        (user,) = parse([{"text": "a"}, {"text": "b"}])
        assert "2 reviews name no author" in user.note
        assert parse([{"text": "a"}])[0].note == ""

    def test_reviews_that_are_known_to_be_of_one_user_need_no_note(self) -> None:
        rows = [{"text": "a"}, {"text": "b"}]
        (user,) = parse_users(orjson.dumps(rows), "reviews", one_user=True)
        assert (user.user_id, user.note) == (NEW_USER, "")
        named = parse_users(orjson.dumps([*rows, {"text": "c", "user": "ann"}]), "reviews", one_user=True)
        assert [bool(each.note) for each in named] == [True, False]  # somebody is named, so the others are not clear

    @pytest.mark.parametrize("name", ["kdnr", "customerRef", "shopperToken", "user_hash", "whoKey"])
    def test_reviews_that_may_be_of_several_users_are_refused(self, name: str) -> None:
        with pytest.raises(DataError, match=f"'{name}', which is not understood and holds 2 different values"):
            parse([{name: 1, "text": "a"}, {name: 2, "text": "b"}])
        (user,) = parse([{name: 1, "text": "a"}, {name: 1, "text": "b"}])  # one value tells nobody apart
        assert name in user.note
