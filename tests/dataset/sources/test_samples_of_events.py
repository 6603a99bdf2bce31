"""Generated events, orders and ratings: the same numbers give the same bytes, and there is something to learn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import rec_sys
from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.settings import DataSettings
from rec_sys.dataset.sources.locate import locate
from rec_sys.dataset.sources.sample_events import write_events
from rec_sys.dataset.sources.sample_orders import write_orders
from rec_sys.dataset.sources.sample_ratings import write_ratings
from rec_sys.errors import ConfigError


@pytest.fixture(scope="module")
def work_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("samples")


@pytest.fixture(scope="module", params=["events", "orders", "ratings"])
def sample(request: pytest.FixtureRequest, work_dir: Path) -> Dataset:
    return rec_sys.load_dataset(f"sample:{request.param}", work_dir=work_dir)


def test_a_sample_is_a_data_set(sample: Dataset) -> None:
    assert sample.table.num_users == 800
    assert sample.table.num_products == 300
    assert len(sample.split.test) == 800
    assert sample.has_dates


def test_there_is_something_to_learn(sample: Dataset) -> None:
    """Products that users of one product took too are better than the most popular ones."""
    table, train, test = sample.table, sample.split.train, sample.split.test
    taken = np.zeros((table.num_users, table.num_products), dtype=np.float32)
    taken[table.user[train], table.product[train]] = 1
    together = taken.T @ taken
    together /= np.sqrt(np.outer(together.diagonal(), together.diagonal())) + 1e-9
    users = table.user[test]
    by_others = _hits(taken[users] @ together, table.product[test])
    popular = _hits(np.tile(taken.sum(0), (len(test), 1)), table.product[test])
    if sample.name == "ratings":
        means = np.bincount(table.product[train], table.rating[train]) / np.bincount(table.product[train])
        assert np.corrcoef(table.rating[test], means[table.product[test]])[0, 1] > 0.3
    else:
        assert by_others > 1.5 * popular


def _hits(scores: Floats, targets: Ints) -> float:
    own = scores[np.arange(len(targets)), targets]
    return float(((scores > own[:, None]).sum(1) < 10).mean())


@pytest.mark.parametrize(
    ("write", "size"),
    [(write_events, 400), (write_orders, 400), (write_ratings, 1_000)],
    ids=["events", "orders", "ratings"],
)
def test_the_same_numbers_give_the_same_bytes(tmp_path: Path, write: Callable[..., object], size: int) -> None:
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        write(tmp_path / folder, seed, 60, 60, size)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    main = next(path.name for path in (tmp_path / "a").iterdir() if path.stem in ("events", "orders", "ratings"))
    assert (tmp_path / "a" / main).read_bytes() != (tmp_path / "c" / main).read_bytes()


@pytest.mark.parametrize(
    ("write", "size"),
    [(write_events, 100), (write_orders, 100), (write_ratings, 100)],
    ids=["events", "orders", "ratings"],
)
def test_sizes_that_cannot_go_together(tmp_path: Path, write: Callable[..., object], size: int) -> None:
    with pytest.raises(ConfigError, match="cannot be made; expected"):
        write(tmp_path, 0, 60, 60, size)


def test_nobody_buys_what_is_sold_out_or_not_there_yet(tmp_path: Path) -> None:
    files = write_events(tmp_path, 0, 60, 60, 2_000)
    events = pl.read_csv(files.events).filter(pl.col("event") == "view")
    states = pl.read_csv(files.item_properties).filter(pl.col("property") == "available").sort("timestamp")
    joined = events.sort("timestamp").join_asof(states, on="timestamp", by_left="itemid", by_right="itemid")
    at_the_start_of_the_visit = joined.filter(pl.col("value") != "1")
    assert joined["value"].null_count() == 0
    assert len(at_the_start_of_the_visit) < 0.01 * len(joined)  # sold out during the visit


def test_orders_have_weeks_returns_and_lines_without_a_customer(tmp_path: Path) -> None:
    orders = pl.read_csv(write_orders(tmp_path, 0, 60, 60, 2_000), infer_schema=False)
    days = orders["InvoiceDate"].str.to_datetime().dt.weekday()
    assert set(days.filter(orders["Quantity"].cast(int) > 0).to_list()) == {1, 2, 3, 4, 5, 7}
    assert (orders["Quantity"].cast(int) < 0).sum() > 50
    assert orders["CustomerID"].null_count() > 500


def test_a_sample_is_written_once_and_named_by_its_kind(tmp_path: Path) -> None:
    settings = DataSettings(name="orders", format="orders", sample_users=60, sample_products=60, sample_reviews=200)
    first = locate(settings, tmp_path)
    written = first.reviews.stat().st_mtime_ns
    assert (first.name, locate(settings, tmp_path).reviews.stat().st_mtime_ns) == ("orders", written)
