"""Lists of ratings: the three layouts of MovieLens, and what is no list of ratings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rec_sys
from rec_sys.errors import DataError

ROWS = [(n % 7 + 1, n % 11 + 1, n % 5 + 1, 880_000_000 + 86_400 * n) for n in range(60)]
LAYOUTS = {
    "u.data": "".join("\t".join(map(str, row)) + "\n" for row in ROWS),
    "ratings.dat": "".join("::".join(map(str, row)) + "\n" for row in ROWS),
    "ratings.csv": "userId,movieId,rating,timestamp\n"
    + "".join(f"{user},{movie},{stars}.0,{when}\n" for user, movie, stars, when in ROWS),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_each_layout_is_read_right(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(LAYOUTS[name])
    data = rec_sys.load_dataset(tmp_path / name, format="ratings", work_dir=tmp_path)
    table = data.table
    read = zip(
        table.user.tolist(), table.product.tolist(), table.rating.tolist(), table.timestamp.tolist(), strict=True
    )
    rows = {(int(table.users.id(u)), int(table.products.id(p)), r, t) for u, p, r, t in read}
    assert rows == {(user, movie, float(stars), when) for user, movie, stars, when in ROWS}
    assert data.has == {"ratings", "times"}


def test_half_stars_keep_their_scale(tmp_path: Path) -> None:
    lines = [f"{n % 5},{n % 9},{(n % 10 + 1) / 2},{880_000_000 + 86_400 * n}" for n in range(45)]
    (tmp_path / "ratings.csv").write_text("\n".join(["userId,movieId,rating,timestamp", *lines]))
    data = rec_sys.load_dataset(tmp_path / "ratings.csv", format="ratings", work_dir=tmp_path)
    assert data.rating_scale == (0.5, 5.0)
    assert (data.table.rating.min(), data.table.rating.max()) == (1.0, 5.0)


def test_a_list_without_ratings_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken.csv").write_text("user_id,item_id,timestamp\na,x,880000000\n")
    with pytest.raises(DataError, match=r"no column 'rating' or .* for the rating.*data.columns.rating"):
        rec_sys.load_dataset(tmp_path / "taken.csv", format="ratings", work_dir=tmp_path)


def test_rows_without_a_rating_are_left_out_and_texts_are_not_read(tmp_path: Path) -> None:
    lines = [f"u{n % 6},p{n},{n % 5 + 1},2018-01-{n % 28 + 1:02d},it is good" for n in range(30)]
    lines.append("u1,p99,,2018-02-01,it is bad")
    (tmp_path / "ratings.csv").write_text("\n".join(["user_id,product_id,rating,date,review", *lines]))
    data = rec_sys.load_dataset(tmp_path / "ratings.csv", format="ratings", work_dir=tmp_path)
    assert len(data.table) == 30
    assert not data.has_texts
    assert not np.isnan(data.table.rating).any()
