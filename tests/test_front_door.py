"""The library from Python: what the README shows, for every model, with files and DataFrames."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import rec_sys
from rec_sys.errors import ConfigError, DataError, UnknownIdError
from rec_sys.recommenders import registry
from tests.support.recommender_contract import SMALL

SENTENCES = ["Warm, clear sound", "Strings broke at once", "My daughter loves it", "Stays in tune for weeks"]


def reviews_frame(num_users: int = 30, num_products: int = 12, each: int = 6) -> pl.DataFrame:
    """Even users like even products, odd users odd ones; with texts."""
    generator = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for user in range(num_users):
        for place, product in enumerate(generator.permutation(np.arange(user % 2, num_products, 2))[:each]):
            text = f"{SENTENCES[place % 4]} ({'even' if user % 2 == 0 else 'odd'} taste)"
            day = f"2020-01-{place + 1:02d}"
            rows.append({"customer": f"c{user}", "sku": f"s{product}", "stars": 4.0, "day": day, "comment": text})
    return pl.DataFrame(rows)


@pytest.fixture(scope="module")
def work_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def data(work_dir: Path) -> rec_sys.Dataset:
    return rec_sys.load_dataset(reviews_frame(), work_dir=work_dir)


# ---- the lines of the README ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", registry.names())
def test_every_model_goes_the_whole_way(name: str, data: rec_sys.Dataset, tmp_path: Path) -> None:
    model = rec_sys.create(name, **SMALL.get(name, {})).fit(data)
    report = model.evaluate(data)
    assert report.num_users == 30
    assert all(each in str(report) for each in (model.name, "most popular", "N@10 filtered"))
    known = model.recommend("c3", k=5)
    new = model.recommend(reviews=[{"sku": "s1", "stars": 5, "comment": "Stays in tune"}], k=5)
    assert len(known) == 5 or len(known) == data.table.num_products - 6
    assert len(new) == 5
    model.save(tmp_path / "first")
    again = rec_sys.load(tmp_path / "first")  # the data is read again as the model's record says
    assert isinstance(again, rec_sys.Recommender)
    assert again.recommend("c3", k=5).equals(known)  # type: ignore[arg-type]
    assert again.recommend(reviews=[{"sku": "s1", "stars": 5, "comment": "Stays in tune"}], k=5).equals(new)  # type: ignore[arg-type]


def test_a_personal_model_beats_the_most_popular(data: rec_sys.Dataset) -> None:
    report = rec_sys.EASE(regularisation=5).fit(data).evaluate(part="valid")
    assert report.beside is not None
    assert report.beside.model == "most popular"
    assert report.unfiltered["ndcg@10"] > report.beside.unfiltered["ndcg@10"]


def test_the_sample_needs_no_file(tmp_path: Path) -> None:
    data = rec_sys.load_dataset("sample", work_dir=tmp_path)
    model = rec_sys.Popularity().fit(data)
    found = model.recommend("A00000SAMPLE", k=3)
    assert isinstance(found, pl.DataFrame)
    assert all(found["name"])
    with pytest.raises(UnknownIdError, match="did you mean 'A00000SAMPLE'"):
        model.recommend("A00000SAMPLEX")
    with pytest.raises(DataError, match="leave name out"):
        rec_sys.load_dataset("sample", name="other", work_dir=tmp_path)


# ---- data in --------------------------------------------------------------------------------------------------------


def test_a_frame_is_read_by_the_rules_of_files(data: rec_sys.Dataset, work_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "reviews.csv"
    reviews_frame().write_csv(file)
    of_file = rec_sys.load_dataset(file, work_dir=tmp_path)
    assert data.name == "dataframe"
    assert of_file.name == "reviews"
    assert of_file.has == data.has == {"texts", "ratings", "times"}
    for column in ("user", "product", "rating", "timestamp"):
        np.testing.assert_array_equal(getattr(of_file.table, column), getattr(data.table, column))
    assert of_file.table.users.ids == data.table.users.ids
    again = rec_sys.load_dataset(reviews_frame(), work_dir=work_dir)
    assert len(list((work_dir / "data/frames").iterdir())) == 1  # the same frame is written once
    assert again.table.fingerprint == data.table.fingerprint


def test_pandas_in_pandas_out(work_dir: Path, tmp_path: Path) -> None:
    frame = reviews_frame().to_pandas().set_index("customer")
    frame["day"] = pd.to_datetime(frame["day"])
    data = rec_sys.load_dataset(frame, name="shop", work_dir=work_dir)
    assert (data.name, data.table.num_users, data.as_pandas) == ("shop", 30, True)
    model = rec_sys.ItemKNN(shrink=2).fit(data)
    for found in (model.recommend("c3"), model.recommend(history=["s1"]), model.similar("s1")):
        assert isinstance(found, pd.DataFrame)
    model.save(tmp_path / "model")
    assert isinstance(rec_sys.load(tmp_path / "model").recommend("c3"), pd.DataFrame)


def test_columns_metadata_split_and_core_are_given_by_name(tmp_path: Path) -> None:
    frame = reviews_frame().rename({"customer": "a", "sku": "b", "day": "c"})
    products = pl.DataFrame({"id": ["s0", "s1"], "title": ["A lute", "A lyre"]})
    data = rec_sys.load_dataset(
        frame,
        columns={"user": "a", "product": "b", "timestamp": "c"},
        metadata=products,
        work_dir=tmp_path,
        split={"held_out_users": 0.2},
        k_core=2,
    )
    assert len(data.split.held_out_users) == 6
    assert data.names[data.table.products.number("s1")] == "A lyre"
    model = rec_sys.Popularity().fit(data)
    assert "A lyre" in model.recommend(history=["s0"], k=99)["name"].to_list()


def test_a_lazy_frame_and_categories_are_read(tmp_path: Path) -> None:
    lazy = reviews_frame().with_columns(pl.col("sku").cast(pl.Categorical)).lazy()
    assert rec_sys.load_dataset(lazy, work_dir=tmp_path).table.num_products == 12  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("source", "values", "error"),
    [
        (17, {}, DataError),
        ("absent.csv", {}, DataError),
        (pl.DataFrame({"colour": ["red"]}), {}, DataError),
        (reviews_frame(), {"columns": {"buyer": "customer"}}, ConfigError),
        (reviews_frame(), {"split": {"held_out": 0.1}}, ConfigError),
        (reviews_frame(), {"k_core": 0}, ConfigError),
        (reviews_frame(), {"name": "../outside"}, ConfigError),
    ],
)
def test_what_cannot_be_read_is_refused(
    source: Any, values: dict[str, Any], error: type[Exception], tmp_path: Path
) -> None:
    with pytest.raises(error):
        rec_sys.load_dataset(source, work_dir=tmp_path, **values)


# ---- questions ------------------------------------------------------------------------------------------------------


def test_reviews_in_time_order_whatever_the_order_of_rows(data: rec_sys.Dataset) -> None:
    model = rec_sys.EASE(regularisation=5, decay=0.5).fit(data)
    newest_first = [{"sku": "s3", "day": "2020-03-01"}, {"sku": "s0", "day": "2020-01-01"}]
    expected = model.recommend(history=["s0", "s3"], k=3)
    assert model.recommend(reviews=newest_first, k=3).equals(expected)  # type: ignore[arg-type]
    untimed = [{"sku": "s0"}, {"sku": "s3"}]  # as they come
    assert model.recommend(reviews=untimed, k=3).equals(expected)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "reviews",
    [
        [{"colour": "red"}],
        [{"sku": None}],
        ["s1", "s2"],
        "s1",
        [{"sku": "s1", "shopper_code": 1}, {"sku": "s2", "shopper_code": 2}],  # two users, merged by nobody
    ],
)
def test_reviews_that_make_no_sense_are_refused(reviews: object, data: rec_sys.Dataset) -> None:
    with pytest.raises(DataError):
        rec_sys.Popularity().fit(data).recommend(reviews=reviews)


def test_a_typed_list_is_one_users_and_a_table_without_users_is_said(
    data: rec_sys.Dataset, caplog: pytest.LogCaptureFixture
) -> None:
    model = rec_sys.GraphModel(**SMALL["graph"]).fit(data)
    rows = [{"sku": "s1", "comment": "Stays in tune"}, {"sku": "s3", "comment": "Warm"}]
    caplog.clear()
    typed = model.recommend(reviews=rows, k=3)
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []
    table = model.recommend(reviews=pl.DataFrame(rows), k=3)
    assert table.equals(typed)  # type: ignore[arg-type]
    (warned,) = [record.args for record in caplog.records if record.levelname == "WARNING"]
    assert warned is not None
    assert next(iter(warned)) == "new user"


def test_a_model_knows_users_of_data_that_has_grown(work_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    """More users, reviews and products than the model has seen: it answers by what it knows, and says so."""
    model = rec_sys.EASE(regularisation=5).fit(rec_sys.load_dataset(reviews_frame(), work_dir=work_dir))
    more = [{"customer": "late", "sku": sku, "stars": 5.0, "day": "2021-01-01", "comment": ""} for sku in ("s1", "new")]
    model.dataset = rec_sys.load_dataset(pl.concat([reviews_frame(), pl.DataFrame(more)]), work_dir=work_dir)
    found = model.recommend("late", k=3)
    assert found["product_id"].to_list() == model.recommend(history=["s1"], k=3)["product_id"].to_list()
    messages = [record.getMessage() for record in caplog.records]
    assert any("unknown to the model" in message for message in messages)
    assert any("count as new" in message for message in messages)
    with pytest.raises(DataError, match="other products"):
        model.evaluate()


def test_data_that_is_gone_is_said_with_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "reviews.csv"
    reviews_frame().write_csv(file)
    data = rec_sys.load_dataset(file, work_dir=tmp_path / "work")
    rec_sys.Popularity().fit(data).save(tmp_path / "model")
    file.unlink()
    assert len(rec_sys.load(tmp_path / "model").recommend("c3", k=2)) == 2  # of the prepared reviews
    shutil.rmtree(tmp_path / "work/data/prepared")
    model = rec_sys.load(tmp_path / "model")
    with pytest.raises(DataError, match="dataset=data"):
        model.recommend("c3")
    assert len(rec_sys.load(tmp_path / "model", dataset=data).recommend("c3", k=2)) == 2


# ---- the import -----------------------------------------------------------------------------------------------------


def test_the_import_is_quick_and_loads_nothing_heavy() -> None:
    script = "import sys, rec_sys; sys.exit(bool({'torch', 'numpy', 'polars', 'pydantic', 'scipy'} & set(sys.modules)))"
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", script])
    assert done.returncode == 0
    assert time.perf_counter() - started < 2  # about .05 s; a busy machine takes its time


def test_names_are_there_and_unknown_ones_are_said() -> None:
    assert set(rec_sys.__all__) <= set(dir(rec_sys))
    for name in rec_sys.__all__:
        assert getattr(rec_sys, name) is not None
    with pytest.raises(AttributeError, match="'GraphModal'"):
        _ = rec_sys.GraphModal  # type: ignore[attr-defined]


def test_a_loaded_graph_model_answers_without_torch(data: rec_sys.Dataset, tmp_path: Path) -> None:
    """As `infer` does: for known users, a history and the reviews of a new one."""
    model = rec_sys.GraphModel(**SMALL["graph"]).fit(data)
    model.save(tmp_path / "model")
    script = f"""
import sys, rec_sys
model = rec_sys.load({str(tmp_path / "model")!r})
for question in ({{"users": "c3"}}, {{"history": ["s1", "s3"]}}, {{"reviews": [{{"sku": "s1", "comment": "Warm"}}]}}):
    print(*model.recommend(**question, k=3)["product_id"])
print(*model.similar("s1", k=3)["product_id"])
sys.exit(bool({{"torch", "torch_geometric", "lightning"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    expected = [
        model.recommend("c3", k=3),
        model.recommend(history=["s1", "s3"], k=3),
        model.recommend(reviews=[{"sku": "s1", "comment": "Warm"}], k=3),
        model.similar("s1", k=3),
    ]
    assert [line.split() for line in done.stdout.splitlines()] == [each["product_id"].to_list() for each in expected]


def test_a_model_without_a_network_does_without_torch(tmp_path: Path) -> None:
    script = f"""
import sys, rec_sys
data = rec_sys.load_dataset("sample", work_dir={str(tmp_path)!r})
model = rec_sys.EASE().fit(data)
model.save({str(tmp_path / "model")!r})
rec_sys.load({str(tmp_path / "model")!r}).recommend("A00000SAMPLE")
sys.exit("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
