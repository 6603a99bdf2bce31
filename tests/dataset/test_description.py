"""Figures of files so small that they can be counted by hand."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from rec_sys.dataset.description import Description, describe_reviews
from rec_sys.dataset.description_text import page_text
from rec_sys.dataset.readers.reading_settings import ReadSettings
from rec_sys.dataset.reviews import prepare_reviews
from rec_sys.dataset.scripts import scripts_of

HEAD = "user_id,product_id,rating,date,title,text,product_name"


def described(
    folder: Path, rows: Iterable[str], head: str = HEAD, k_core: int = 1, interactions: bool = False, **settings: Any
) -> Description:
    """What is said of a CSV."""
    raw = folder / "shop.csv"
    raw.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    kind = "interactions" if interactions else "auto"
    chosen = ReadSettings.read({"max_left_out": 1, "check_dates": False, "format": kind, **settings}, "data")
    return describe_reviews(prepare_reviews(raw, folder / "out", chosen), k_core)


ROWS = [
    "ann,tea,5,2020-01-05,Good,Warms me,Green tea",
    "ann,pot,3,2020-01-05,,abc,A pot",
    "ann,cup,4,2020-03-01,,,",
    "bob,tea,5,2020-03-02,,Отличный чай,Green tea",
    "bob,pot,1,2020-03-03,,abcdefgh,A pot",
    "cid,tea,bad,2020-03-04,,,Green tea",
    "cid,tea,2,2020-03-05,,很好,Green tea",
]


def test_the_figures_are_those_counted_by_hand(tmp_path: Path) -> None:
    found = described(tmp_path, ROWS)
    assert (found.users.total, found.users.median, found.users.most) == (3, 2, 3)
    assert (found.users.one, found.users.two, found.users.more) == (1, 1, 1)
    assert found.users.by_reviews == {1: 1, 2: 1, 3: 1}
    assert (found.products.total, found.products.median, found.products.most) == (3, 2, 3)
    assert found.density == pytest.approx(6 / 9)
    assert found.same_moment == 2
    assert found.ratings == {1: 1, 2: 1, 3: 1, 4: 1, 5: 2}
    assert found.months == {"2020-01": 2, "2020-02": 0, "2020-03": 4}
    assert found.texts is not None
    assert (found.texts.total, found.texts.longest) == (5, len("Good\nWarms me"))
    assert found.texts.median == len("abcdefgh")
    assert found.texts.by_length == {2: 2, 8: 3}
    assert found.texts.sample == 5
    assert found.texts.scripts == {"Latin": 3, "Cyrillic": 1, "Han": 1}
    assert [(its.line, its.reason) for its in found.rejects] == [(7, "rating is not a number")]
    assert "bad" in found.rejects[0].row
    assert found.enough.startswith("1 of 3 users have the 3 reviews")


def test_sample_rows_are_the_first_of_the_file_as_they_were_understood(tmp_path: Path) -> None:
    first, second, *_, last = described(tmp_path, ROWS).samples
    assert (first.line, first.user, first.product, first.rating, first.stars) == (2, "ann", "tea", 5, 5)
    assert (first.when, first.text, first.product_name) == ("2020-01-05", "Good / Warms me", "Green tea")
    assert (second.text, last.line) == ("abc", 6)


def test_ratings_are_shown_on_the_scale_of_the_file_and_as_stars(tmp_path: Path) -> None:
    rows = [f"u{number % 10},p{number},{number % 10 + 1},2020-01-{number % 28 + 1:02d},,," for number in range(120)]
    found = described(tmp_path, rows)
    assert found.ratings == {float(rating): 12 for rating in range(1, 11)}
    assert found.samples[3].rating == 4
    assert found.samples[3].stars == pytest.approx(1 + 3 * 4 / 9)
    head = next(line for line in page_text(found).splitlines() if line.startswith("line "))
    assert head.split() == ["line", "user", "product", "rating", "as", "1", "to", "5", "date"]


def test_the_warnings_are_the_last_lines(tmp_path: Path) -> None:
    found = described(tmp_path, ["ann,tea,5,2020-01-05,,,", "bob,tea,5,2020-01-06,,,"])
    said = page_text(found).splitlines()[-len(found.warnings) :]
    assert said == [f"warning: {warning}" for warning in found.warnings]
    assert any("none of 2 users has the 3 reviews" in warning for warning in found.warnings)
    assert any("all 2 ratings are 5" in warning for warning in found.warnings)


@pytest.mark.parametrize("width", [80, 100, 200])
def test_lines_fit_the_terminal(tmp_path: Path, width: int) -> None:
    row = f"{'u' * 99},{'p' * 99},5,2020-01-05,,{'word ' * 300},{'n' * 99}"
    lines = page_text(described(tmp_path, [row]), width).splitlines()
    start = lines.index(next(line for line in lines if line.startswith("line ")))
    assert max(map(len, lines[start : start + 3])) <= width


def test_a_name_of_many_counts_for_no_user(tmp_path: Path) -> None:
    rows = [f"Anonymous,p{number},5,2020-01-{number + 1:02d},,," for number in range(20)]
    rows += [f"u{number},p{number % 4},4,2020-02-{number + 1:02d},,," for number in range(20)]
    found = described(tmp_path, rows)
    assert found.prepared.collective == {"Anonymous": 20}
    assert (found.users.total, found.users.most) == (20, 1)
    assert found.density == pytest.approx(40 / (40 * 20))


def test_without_dates_ratings_and_texts(tmp_path: Path) -> None:
    found = described(tmp_path, ["ann,tea", "ann,pot", "bob,tea"], "user,item", interactions=True)
    assert (found.months, found.ratings, found.texts, found.same_moment) == ({}, {}, None, 0)
    assert [row.when for row in found.samples] == ["1", "2", "3"]
    assert all(row.rating is None for row in found.samples)
    assert "place" in page_text(found)


def test_what_a_k_core_leaves_decides_whether_it_is_enough(tmp_path: Path) -> None:
    rows = [f"{user},{product},5,2020-01-0{day}" for user in "ab" for day, product in enumerate("pqr", 1)]
    rows += ["c,p,4,2020-01-04", "c,x,4,2020-01-05", "c,y,4,2020-01-06"]
    head = "user_id,product_id,rating,date"
    found = described(tmp_path, rows, head, k_core=2)
    assert found.users.more == 3
    assert found.core is not None
    assert (found.core.reviews, found.core.users, found.core.products, found.core.testable) == (6, 2, 3, 2)
    assert found.enough.startswith("2 of 2 users")
    found = described(tmp_path, rows, head, k_core=9)
    assert found.core is None
    assert any("lower data.k_core" in warning for warning in found.warnings)


def test_texts_in_other_letters_are_warned_of(tmp_path: Path) -> None:
    rows = [f"u{number},p{number % 3},5,2020-01-05,,很好用 {number},x" for number in range(9)]
    assert any(warning.startswith("100% of a sample of 9 texts") for warning in described(tmp_path, rows).warnings)


def test_scripts_are_told_by_most_of_the_letters() -> None:
    texts = {
        "good 好": "Latin",
        "отлично ok": "Cyrillic",
        "很好": "Han",
        "とても良い商品": "Kana",
        "좋아요": "Hangul",
        "ممتاز": "Arabic",
        "👍 10/10": "no letters",
        "ქართული": "other letters",
    }
    for text, script in texts.items():
        assert scripts_of(pl.Series([text])) == {script: 1}
    assert list(scripts_of(pl.Series(["a", "很好", "b"]))) == ["Latin", "Han"]
