"""Data sets from a database: SQLite here, PostgreSQL where a server listens."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
from sqlalchemy import create_engine, text

import rec_sys
from rec_sys.dataset.dataset import prepare_data
from rec_sys.dataset.kept_paths import with_found_paths, with_relative_paths
from rec_sys.dataset.settings import DataSettings
from rec_sys.dataset.sources.sql import BATCH, fetch_query
from rec_sys.dataset.sources.sql_settings import SqlSettings
from rec_sys.errors import ConfigError, DataError
from rec_sys.paths import Paths

START = datetime(2024, 1, 1, 10, 30, tzinfo=UTC)
QUERY = (
    "select user_id, object_id as product_id, rating, created_at from ratings where active = 1 and content_type_id = 7"
)


def rows(count: int = 60) -> list[tuple[Any, ...]]:
    """A table of ratings as Django makes it: of several kinds of objects, some taken back."""
    return [
        (n, n % 7, 8 if n % 10 == 9 else 7, n % 11, n % 5 + 1, n % 6 != 5, (START + timedelta(days=n)).isoformat(" "))
        for n in range(count)
    ]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as connection:
        connection.execute(
            "create table ratings (id integer, user_id integer, content_type_id integer, object_id integer, "
            "rating real, active integer, created_at text)"
        )
        connection.executemany("insert into ratings values (?, ?, ?, ?, ?, ?, ?)", rows())
    connection.close()
    return path


def settings(shop: Path, query: str = QUERY) -> SqlSettings:
    return SqlSettings(url=f"sqlite:///{shop}", query=query)


def test_ratings_of_a_django_table(shop: Path, tmp_path: Path) -> None:
    data = rec_sys.load_dataset(f"sqlite:///{shop}", query=QUERY, format="ratings", work_dir=tmp_path)
    meant = [row for row in rows() if row[5] and row[2] == 7]
    assert (data.name, len(data.table)) == ("shop", len(meant))
    assert sorted(data.table.timestamp.tolist()) == [int(datetime.fromisoformat(row[6]).timestamp()) for row in meant]
    assert data.table.rating.sum() == sum(row[4] for row in meant)


def test_events_and_orders_of_a_database(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "log.db") as connection:
        connection.execute("create table log (customer real, item text, action text, at integer, pieces integer)")
        kinds = ("view", "cart", "purchase")
        log = [(n % 5, f"p{n % 8}", kinds[n % 3], 1_700_000_000 + 9_000 * n, 1 + n % 3) for n in range(90)]
        connection.executemany("insert into log values (?, ?, ?, ?, ?)", log)
    connection.close()
    url = f"sqlite:///{tmp_path / 'log.db'}"
    events = rec_sys.load_dataset(url, query="select * from log", format="events", work_dir=tmp_path)
    assert events.events.kinds == ("view", "addtocart", "transaction")
    assert events.table.users.ids == ["0", "1", "2", "3", "4"]
    query = "select customer, item, at as order_date, pieces from log where action = 'purchase'"
    orders = rec_sys.load_dataset(url, query=query, format="orders", work_dir=tmp_path)
    assert orders.sales.pieces.sum() == sum(1 + n % 3 for n in range(90) if n % 3 == 2)


def test_a_large_answer_is_streamed_and_signs_of_the_query_are_its_own(shop: Path, tmp_path: Path) -> None:
    query = (
        f"with recursive n(i) as (select 0 union all select i + 1 from n where i < {2 * BATCH + 5}) "
        "select 'u' || (i % 10) as user_id, '10:30 100% :x' as product_id, i from n -- all; of them"
    )
    found = pl.read_parquet(fetch_query(settings(shop, query), tmp_path))
    assert found["i"].to_list() == [str(i) for i in range(2 * BATCH + 6)]
    assert found["product_id"].unique().to_list() == ["10:30 100% :x"]


def test_a_query_that_writes_is_refused_and_would_not_be_able_to(shop: Path, tmp_path: Path) -> None:
    for query in ("delete from ratings", "/* select */ update ratings set rating = 1", "-- select\ndrop table ratings"):
        with pytest.raises(ConfigError, match="is no query that reads"):
            fetch_query(settings(shop, query), tmp_path)
    with pytest.raises(DataError, match="did not answer"):
        fetch_query(settings(shop, "with x as (select 1) delete from ratings returning id"), tmp_path)
    with sqlite3.connect(shop) as connection:
        assert connection.execute("select count(*) from ratings").fetchone() == (60,)
    connection.close()


def test_no_row_is_an_error(shop: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no row for data.sql.query='select \* from ratings where 1 = 2'"):
        fetch_query(settings(shop, "select * from ratings where 1 = 2"), tmp_path)
    assert list(tmp_path.rglob("*.parquet*")) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"url": "sqlite:///shop.db"}, "data.sql.query is missing"),
        ({"query": "select 1"}, "data.sql.url is missing"),
        ({"url": "shop", "query": "select 1"}, "data.sql.url=shop is no address"),
        ({"url": "oracle9://a@b/c", "query": "select 1"}, "knows no oracle9"),
        ({"url": "mssql+pymssql://a@b/c", "query": "select 1"}, "needs the driver 'pymssql'"),
    ],
)
def test_settings_that_are_wrong(tmp_path: Path, given: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        fetch_query(SqlSettings(**given), tmp_path)


def test_a_missing_file_is_an_error_and_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none.db, which does not exist"):
        fetch_query(SqlSettings(url=f"sqlite:///{tmp_path}/none.db", query="select 1"), tmp_path)
    assert not (tmp_path / "none.db").exists()


def test_a_path_and_a_database_are_one_too_many(shop: Path, tmp_path: Path) -> None:
    values = {"path": str(shop), "sql": {"url": f"sqlite:///{shop}", "query": QUERY}}
    with pytest.raises(ConfigError, match="give one of them"):
        prepare_data(DataSettings.read(values), Paths(work_dir=tmp_path))


def test_a_database_that_goes_away_leaves_nothing_behind(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite fails in a row behind the first batch, as a server does that is stopped."""
    query = (
        f"with recursive n(i) as (select 0 union all select i + 1 from n where i < {3 * BATCH}) "
        f"select i as user_id, case when i > {2 * BATCH} then json('{{') else i end as product_id from n"
    )
    with pytest.raises(DataError, match=rf"went away after {BATCH:,}|{2 * BATCH:,} rows .*nothing of them is kept"):
        fetch_query(settings(shop, query), tmp_path)
    assert list((tmp_path / "sql").rglob("*.parquet*")) == []


def test_the_answer_is_asked_for_each_time_and_prepared_once(shop: Path, tmp_path: Path) -> None:
    def load() -> str:
        data = rec_sys.load_dataset(f"sqlite:///{shop}", query=QUERY, format="ratings", work_dir=tmp_path)
        return data.table.fingerprint

    first = load()
    assert load() == first
    with sqlite3.connect(shop) as connection:
        connection.execute("update ratings set rating = 5 where id = 0")
    connection.close()
    assert load() != first


def test_the_password_is_in_no_setting_and_no_message(tmp_path: Path) -> None:
    url = "postgresql://ann:s3cr3t@127.0.0.1:1/shop"
    chosen = DataSettings.read({"sql": {"url": url, "query": "select 1 as user_id"}}, "data")
    assert chosen.sql.url == "postgresql://ann@127.0.0.1:1/shop"
    kept = with_relative_paths(chosen, Paths(work_dir=tmp_path))
    assert b"s3cr3t" not in orjson.dumps(kept)
    with pytest.raises(DataError) as caught:
        fetch_query(chosen.sql, tmp_path)
    assert "s3cr3t" not in str(caught.value) + str(caught.value.__cause__)
    assert "REC_SYS_SQL_PASSWORD" in str(caught.value)


def test_a_command_writes_the_password_nowhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rec_sys.dataset.prepare", f"paths.work_dir={tmp_path}"]
    command += ["data.sql.url=postgresql://ann:s3cr3t@127.0.0.1:1/shop", "data.sql.query=select a, 'b' as \"c\" from t"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2, done.stderr
    assert "ann@127.0.0.1:1/shop did not answer" in done.stderr
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert any(b"postgresql://ann@127.0.0.1:1/shop" in content for content in written)
    assert b"s3cr3t" not in b"".join(written) + done.stdout.encode() + done.stderr.encode()


def test_the_file_of_a_database_is_kept_without_its_absolute_path(shop: Path, tmp_path: Path) -> None:
    chosen = DataSettings.read({"sql": {"url": f"sqlite:///{shop}", "query": QUERY}}, "data")
    kept = with_relative_paths(chosen, Paths(work_dir=tmp_path))
    assert kept["sql"]["url"] == "sqlite:///shop.db"
    assert with_found_paths(kept, Paths(work_dir=tmp_path)).sql.url == f"sqlite:///{shop}"


@pytest.fixture
def table(postgres: str) -> Iterator[str]:
    """A table of ratings in PostgreSQL, dropped afterwards."""
    engine = create_engine(postgres.replace("postgresql://", "postgresql+psycopg://"))
    name = "rec_sys_test_ratings"
    with engine.begin() as connection:
        connection.execute(text(f"drop table if exists {name}"))
        connection.execute(
            text(
                f"create table {name} (id bigserial, user_id bigint, content_type_id int, object_id bigint, "
                "rating numeric(3, 1), active boolean, created_at timestamptz)"
            )
        )
        names = ("id", "user_id", "content_type_id", "object_id", "rating", "active", "created_at")
        values = [dict(zip(names, row, strict=True)) for row in rows()]
        connection.execute(text(f"insert into {name} values (:{', :'.join(names)})"), values)
    yield name
    with engine.begin() as connection:
        connection.execute(text(f"drop table {name}"))
    engine.dispose()


def test_postgresql(postgres: str, table: str, tmp_path: Path) -> None:
    query = (
        QUERY.replace("from ratings", f"from {table}").replace("active = 1", "active")
        + " order by created_at::date, id"
    )
    data = rec_sys.load_dataset(postgres, query=query, format="ratings", work_dir=tmp_path)
    meant = [row for row in rows() if row[5] and row[2] == 7]
    assert len(data.table) == len(meant)
    assert sorted(data.table.timestamp.tolist()) == [int(datetime.fromisoformat(row[6]).timestamp()) for row in meant]
    with pytest.raises(DataError, match="read-only transaction"):
        fetch_query(SqlSettings(url=postgres, query=f"select nextval('{table}_id_seq') as user_id"), tmp_path)
