"""Mutations of columns: what they are called, their order, and what stands beside them."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace

from benchmarks.mutants.file import DoesNotFitError, MutatedFile
from benchmarks.mutants.table import moment

OTHER_NAMES: dict[str, dict[str, str]] = {
    "Amazon 2014": {
        "user": "reviewerID", "product": "asin", "rating": "overall", "date": "unixReviewTime", "text": "reviewText",
    },
    "Amazon 2023": {
        "user": "user_id", "product": "parent_asin", "rating": "rating", "date": "timestamp", "text": "text",
    },
    "WooCommerce": {
        "user": "reviewer_email", "product": "product_id", "rating": "rating", "date": "date_created", "text": "review",
    },
    "SQL": {
        "user": "user_id", "product": "product_id", "rating": "stars", "date": "created_at", "text": "comment",
    },
    "SQL, item": {
        "user": "customer_id", "product": "item_id", "rating": "score", "date": "review_date", "text": "review_text",
    },
    "Judge.me": {
        "user": "reviewer_name", "product": "product_handle", "rating": "rating", "date": "review_date", "text": "body",
    },
    "Yotpo": {
        "user": "email", "product": "sku", "rating": "score", "date": "created_at", "text": "content",
    },
    "Steam": {
        "user": "steamid", "product": "app_id", "rating": "voted_up", "date": "timestamp_created", "text": "review",
    },
    "German": {
        "user": "Kundennummer", "product": "Artikelnummer", "rating": "Bewertung", "date": "Datum", "text": "Kommentar",
    },
    "French": {
        "user": "client", "product": "produit", "rating": "note", "date": "date", "text": "commentaire",
    },
    "Spanish": {
        "user": "usuario", "product": "artículo", "rating": "puntuación", "date": "fecha", "text": "comentario",
    },
    "Google": {
        "user": "author_title", "product": "place_id", "rating": "review_rating", "date": "review_datetime_utc",
        "text": "review_text",
    },
    "nicknames": {
        "user": "nickname", "product": "sku", "rating": "rating", "date": "submission_time", "text": "review_text",
    },
    "Goodreads": {
        "user": "user_id", "product": "book_id", "rating": "rating", "date": "date_added", "text": "review_text",
    },
}  # fmt: skip
BY_SCRIPT = {
    "chinese": {"user": "用户名", "product": "商品编号", "rating": "评分", "date": "评论时间", "text": "评论内容"},
    "japanese": {"user": "ユーザー", "product": "商品", "rating": "評価", "date": "日付", "text": "レビュー"},
    "cyrillic": {"user": "пользователь", "product": "товар", "rating": "оценка", "date": "дата", "text": "отзыв"},
}

# Columns that no reader needs, each with a value for a row.
EXTRA: dict[str, list[object]] = {
    "review_id": [], "verified": [True, False], "helpful_votes": list(range(9)), "country": ["US", "DE", "FR"],
    "brand": ["Acme", "Tefal", "Bic"], "price": [9.99, 12.5, 100], "ip": ["10.0.0.1", "10.0.0.2"],
    "order_id": [], "status": ["approved", "pending"], "language": ["en", "de"], "vote": [1, 2, None],
    "shop_note": ["sent by mail, answered", "called", ""], "category": ["pans", "pots"], "reply": ["Thank you!", ""],
    "updated_at": [], "Unnamed: 0": [], "id": [], "image": [None, "a.jpg"], "likes": list(range(50)),
}  # fmt: skip


def _each(file: MutatedFile, change: object) -> None:
    assert callable(change)
    file.names = {field: change(name) for field, name in file.names.items()}


def _camel(name: str) -> str:
    first, *others = re.split(r"[_ ]", name)
    return first + "".join(other.capitalize() for other in others)


SPELLINGS = {
    "camelCase": _camel,
    "PascalCase": lambda name: "".join(part.capitalize() for part in name.split("_")),
    "UPPER_CASE": str.upper,
    "Words Apart": lambda name: name.replace("_", " ").title(),
    "kebab-case": lambda name: name.replace("_", "-"),
    "blanks around": lambda name: f" {name} ",
    "dots.between": lambda name: name.replace("_", "."),
}


def spelt(name: str, file: MutatedFile) -> None:
    """Other case and punctuation."""
    _each(file, SPELLINGS[name])


def named(name: str, file: MutatedFile) -> None:
    """The names of another source."""
    file.names.update({field: its for field, its in OTHER_NAMES[name].items() if field in file.names})


def in_own_language(file: MutatedFile, _: random.Random) -> None:
    """Names in the language of the texts."""
    file.names.update(BY_SCRIPT.get(file.script, {}))


def in_other_order(file: MutatedFile, generator: random.Random) -> None:
    """Columns in another order."""
    generator.shuffle(file.fields)


def beside(file: MutatedFile, generator: random.Random) -> None:
    """Columns that are not read stand beside."""
    for name in generator.sample(sorted(EXTRA), generator.choice((1, 2, 5))):
        file.names[f"extra {name}"] = name
        file.fields.insert(generator.randrange(len(file.fields) + 1), f"extra {name}")
        for place, row in enumerate(file.rows):
            values = EXTRA[name]
            value = generator.choice(values) if values else row.number + 1
            if name == "updated_at":
                value = moment(1_600_000_000 + row.number).strftime("%Y-%m-%d %H:%M:%S")
            file.write(place, **{f"extra {name}": value})


PEOPLE = {"user_name": "Ann", "email": "", "author_name": "Ann", "nickname": "anni", "reviewer_name": "A. B."}
OTHERS: dict[str, object] = {
    "average_rating": 4.3, "rating_count": 17, "service_rating": 4, "quality": 3, "product_title": "A pan", "year": 2017,
    "order_date": "2016-12-01", "product_url": "http://shop.example/1", "step": 1, "position": 3, "page_id": 7,
    "review_url": "http://shop.example/r", "store": "north", "score_max": 5, "reply_date": "2019-02-03",
}  # fmt: skip


def beside_people(file: MutatedFile, generator: random.Random) -> None:
    """Beside the id of the user stand names that several share."""
    if file.names["user"] != "user_id":
        raise DoesNotFitError
    for name in generator.sample(sorted(PEOPLE), 2):
        _insert(file, generator, name, lambda _, name=name: PEOPLE[name] or f"{generator.randrange(99)}@example.com")  # type: ignore[misc]


def beside_others(file: MutatedFile, generator: random.Random) -> None:
    """Columns that look like ratings, dates or ids stand beside."""
    for name in generator.sample(sorted(OTHERS), 3):
        _insert(file, generator, name, lambda _, name=name: OTHERS[name])  # type: ignore[misc]


def _insert(file: MutatedFile, generator: random.Random, name: str, value: Callable[[int], object]) -> None:
    file.names[f"extra {name}"] = name
    file.fields.insert(generator.randrange(len(file.fields) + 1), f"extra {name}")
    for place in range(len(file.rows)):
        file.write(place, **{f"extra {name}": value(place)})


def nested(file: MutatedFile, _: random.Random) -> None:
    """Fields inside fields."""
    file.names.update(user="user.id", product="product.id")
    file.nested = True


def of_mongo(file: MutatedFile, generator: random.Random) -> None:
    """Values with their types, as MongoDB writes them."""
    as_number = generator.random() < 0.5
    for place, row in enumerate(file.rows):
        if row.precision != "second":
            raise DoesNotFitError
        when: object = {"$numberLong": str(row.seconds * 1000)} if as_number else moment(row.seconds).isoformat()
        file.write(place, date={"$date": when}, rating={"$numberInt": str(row.written["rating"])})


def with_titles(file: MutatedFile, generator: random.Random) -> None:
    """A title above each text."""
    file.names["title"] = "title" if file.names["text"] == "text" and "text" in file.fields else "review_title"
    file.fields.insert(generator.randrange(len(file.fields) + 1), "title")
    for place, row in enumerate(file.rows):
        title = generator.choice(("Great", "So so", '"Wow"', "Never again!", ""))
        text = f"{title}\n{row.text}" if title and row.text else title or row.text
        file.rows[place] = replace(row.with_written(title=title), text=text)
