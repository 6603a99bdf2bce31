from pathlib import Path

import pytest

from rec_sys.dataset.readers.metadata_join import check_join
from rec_sys.dataset.readers.reading_settings import ReadSettings
from rec_sys.dataset.reviews import prepare_reviews
from rec_sys.errors import DataError

DAYS = [f"2020-01-{day:02d}" for day in range(1, 29)]


def files(folder: Path, reviewed: list[str], described: list[str], column: str = "product_id") -> tuple[Path, Path]:
    """Reviews of some products, and names of others."""
    reviews, products = folder / "reviews.csv", folder / "products.csv"
    rows = [f"u{n % 7},{reviewed[n % len(reviewed)]},{DAYS[n % 28]},5" for n in range(56)]
    reviews.write_text("\n".join(["user_id,product_id,date,rating", *rows]))
    products.write_text("\n".join([f"{column},title", *(f"{name},Thing {name}" for name in described)]))
    return reviews, products


@pytest.mark.parametrize(
    ("reviewed", "described", "cause"),
    [
        (["007", "0080"], ["7", "80"], "leading zeros differ"),
        (["ab1", "cd2"], ["AB1", "CD2"], "upper and lower case differ"),
        (["SKU-17", "SKU-18"], ["17", "18"], "one side has a prefix or other characters around the number"),
        (["a b", "c-d"], ["ab", "cd"], "blanks and punctuation differ"),
    ],
)
def test_no_match_is_refused_with_ids_of_both_sides_and_the_cause(
    tmp_path: Path, reviewed: list[str], described: list[str], cause: str
) -> None:
    reviews, products = files(tmp_path, reviewed, described)
    with pytest.raises(DataError) as error:
        prepare_reviews(reviews, tmp_path / "out", ReadSettings(), products)
    for word in (*map(repr, reviewed), *map(repr, described), cause, "data.metadata=none"):
        assert word in str(error.value)
    assert not list((tmp_path / "out").glob("[0-9a-f]*/summary.json"))


def test_ids_in_another_column_are_found(tmp_path: Path) -> None:
    reviews, products = files(tmp_path, ["ab1", "cd2"], ["1", "2"])
    products.write_text("product_id,handle,title\n1,ab1,Drum\n2,cd2,Harp\n")
    with pytest.raises(DataError, match="its column 'handle' has ids of the reviews"):
        prepare_reviews(reviews, tmp_path / "out", ReadSettings(), products)


def test_few_matches_are_said_and_enough_are_not(tmp_path: Path) -> None:
    reviewed = [f"p{n}" for n in range(20)]
    reviews, products = files(tmp_path, reviewed, ["p0", "q1"])
    (warning,) = prepare_reviews(reviews, tmp_path / "out", ReadSettings(), products).warnings
    assert "speaks of 1 of the 20 reviewed products" in warning
    assert check_join(products, reviewed, matched=2, unmatched=["q1"]) == []
