"""The real data sets through their own configurations: counts, order, and the tables that the direct readers give."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hydra import compose, initialize_config_dir

from rec_sys import columns
from rec_sys.command import CONFIG_FOLDER, register_schema
from rec_sys.dataset.dataset import load_data, prepare_data
from rec_sys.dataset.prepared import PreparedReviews
from rec_sys.dataset.reviews import prepare_reviews
from rec_sys.dataset.settings import DataSettings
from rec_sys.dataset.splits import split_by_time
from rec_sys.dataset.table import ReviewTable, load_table
from rec_sys.paths import Paths
from rec_sys.settings import read_settings
from rec_sys.text.settings import EncoderSettings
from tests.support import real_data

pytestmark = pytest.mark.real_data

SharedData = Callable[[str], Path]


@pytest.fixture
def settings(shared_data: SharedData, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], DataSettings]:
    def read(name: str) -> DataSettings:
        monkeypatch.setenv("REC_SYS_SHARED_DATA", str(shared_data(name).parent))
        register_schema("data", DataSettings)
        register_schema("encoder", EncoderSettings)
        register_schema("paths", Paths)
        with initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
            return read_settings(compose("prepare_config", [f"data={name}"]).data, DataSettings, "data")

    return read


def prepared(settings: DataSettings, folder: Path) -> PreparedReviews:
    name, found = prepare_data(settings, Paths(work_dir=folder))
    assert name == settings.name
    assert found.rejected == {}
    return found


def counts(found: PreparedReviews) -> tuple[int, int, int]:
    table = load_table(found.folder, found.fingerprint)
    assert (table.num_users, table.num_products, len(table)) == (found.users, found.products, found.kept)
    return found.users, found.products, found.kept


def same(table: ReviewTable, direct: ReviewTable) -> None:
    for name in ("user", "product", "rating", "timestamp", "row"):
        np.testing.assert_array_equal(getattr(table, name), getattr(direct, name))


def ids(path: Path) -> list[str]:
    """The ids of the numbers 0, 1, ..."""
    pairs = [line.split("\t") for line in gzip.decompress(path.read_bytes()).decode().splitlines()]
    assert [int(number) for _, number in pairs] == list(range(len(pairs)))
    return [name for name, _ in pairs]


def test_instruments_2018(settings: Callable[[str], DataSettings], shared_data: SharedData, tmp_path: Path) -> None:
    begin = time.process_time()
    data = load_data(settings("instruments_2018"), EncoderSettings(name="not/fetched"), Paths(work_dir=tmp_path))
    assert time.process_time() - begin < 20  # about four
    folder, table = shared_data("instruments_2018"), data.table
    assert (table.num_users, table.num_products, len(table)) == (24_772, 9_922, 206_153)
    same(table, real_data.instruments_2018(folder))
    assert table.users.ids == ids(folder / "Instruments.user2id.gz")
    assert table.products.ids == ids(folder / "Instruments.item2id.gz")
    assert (data.review_text.shape, data.product_text.shape) == ((206_153, 0), (9_922, 0))
    assert not data.has_dates
    assert not data.has_ratings


def test_scientific_2018(settings: Callable[[str], DataSettings], shared_data: SharedData, tmp_path: Path) -> None:
    found = prepared(settings("scientific_2018"), tmp_path)
    assert counts(found) == (8_442, 4_385, 59_384)
    assert (found.format, found.order, found.rated, found.without_text) == ("RecBole lists", "list", 0, 59_384)
    table, direct = load_table(found.folder, ""), real_data.scientific_2018(shared_data("scientific_2018"))
    same(table, direct)
    assert (table.users.ids, table.products.ids) == (direct.users.ids, direct.products.ids)
    assert found.products_named == 4_385
    texts = pl.read_parquet(found.folder / columns.PRODUCTS_FILE).rows_by_key(columns.PRODUCT_ID, unique=True)
    assert texts["B00002246J"][1].startswith("DEWALT DW4524 4-1/2-Inch by 1/4-Inch by 7/8-Inch Concrete/Masonry")


def test_the_lists_of_scientific_2018_end_as_its_three_files_say(
    settings: Callable[[str], DataSettings], shared_data: SharedData, tmp_path: Path
) -> None:
    """The training file has the same lists without their last two products, one line per step: the longest counts."""
    whole, folder = settings("scientific_2018"), shared_data("scientific_2018")
    learned = whole.model_copy(update={"path": str(folder / "Scientific.train.inter.gz")})
    table, before = (load_table(prepared(one, tmp_path).folder, "") for one in (whole, learned))
    split = split_by_time(table)
    uncut = np.bincount(table.user) < 50
    of_uncut = split.train[uncut[table.user[split.train]]]
    assert [table.products.id(number) for number in table.product[of_uncut].tolist()] == [
        before.products.id(number)
        for user, number in zip(before.user.tolist(), before.product.tolist(), strict=True)
        if uncut[user]
    ]
    assert before.users.ids == table.users.ids
    # Lists are cut at 50 and the product that follows: of the training file, too, the latest counts.
    for user in np.flatnonzero(~uncut).tolist():
        a, b = (one.product[one.user == user].tolist() for one in (table, before))
        assert (len(a), len(b)) == (51, 51)
        assert [table.products.id(number) for number in a[:-2]] == [before.products.id(number) for number in b[2:]]


def test_musical_instruments_2014(
    settings: Callable[[str], DataSettings], shared_data: SharedData, tmp_path: Path
) -> None:
    found = prepared(settings("musical_instruments_2014"), tmp_path)
    assert counts(found) == (1_429, 900, 10_261)
    assert (found.format, found.order, found.rated, found.without_text) == ("Amazon 2014", "time", 10_261, 0)
    table = load_table(found.folder, "")
    direct = real_data.musical_instruments_2014(shared_data("musical_instruments_2014"))
    same(table, direct)
    assert (table.users.ids, table.products.ids) == (direct.users.ids, direct.products.ids)
    first = int(np.flatnonzero(table.row == 0)[0])
    assert table.users.id(int(table.user[first])) == "A2IBPI20UZIR0U"
    assert table.text_of(np.array([first]))[0].startswith("good\nNot much to write about here")


def test_all_beauty_2018(tmp_path: Path, shared_data: SharedData) -> None:
    found = prepare_reviews(shared_data("all_beauty_2018") / "All_Beauty_5.json.gz", tmp_path)
    assert (found.format, found.read, found.kept) == ("Amazon 2018", 5_269, 4_161)
    assert found.rejected == {"repeated review": 1_108}
    frame = pl.read_parquet(found.folder / columns.REVIEWS_FILE)
    assert (found.users, found.products) == (991, 85)
    assert frame.select("user_id", "product_id", "timestamp").is_duplicated().sum() == 0
    assert frame.filter(pl.col("text") != "").select("user_id", "product_id", "text").is_duplicated().sum() == 0
