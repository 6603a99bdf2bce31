"""Rows of a database as a Parquet file: streamed, only read, whole or not there.

SQLAlchemy speaks to the database, so any that it knows will do whose driver is installed. Values are written as texts,
times in ISO 8601, and go through the same readers as those of a CSV.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rec_sys.dataset.readers.value_text import value_text
from rec_sys.dataset.sources.sql_settings import SqlSettings
from rec_sys.errors import ConfigError, DataError
from rec_sys.files import atomic_file
from rec_sys.passwords import PASSWORD_VARIABLE, hidden, password_of
from rec_sys.progress import ProgressCallback, Stage

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

FOLDER = "sql"  # below that of the data
BATCH = 20_000  # rows in memory
READING = ("select", "with", "table", "values")  # what a query begins with
EXAMPLE = "select user_id, product_id, rating, created_at from reviews"
COMMENT = re.compile(r"^(?:\s|--[^\n]*\n|/\*.*?\*/)+", re.DOTALL)
# How a transaction that cannot write is begun; others are only asked with a query that reads.
READ_ONLY = {
    "sqlite": "PRAGMA query_only = ON",
    "mysql": "SET TRANSACTION READ ONLY",
    "mariadb": "SET TRANSACTION READ ONLY",
}


def fetch_query(settings: SqlSettings, data_dir: Path, progress: ProgressCallback | None = None) -> Path:
    """Ask a database; returns the Parquet file with its answer.

    It is asked each time: what it holds may have changed. The file's name follows from address and query, and what is
    prepared of it from its content, so the same answer is read once. Give the query an order: without one the database
    may answer in another order, which counts as other data.

    Args:
        settings: address and query.
        data_dir: the file goes to `sql/` below it.
        progress: told how many rows there are.

    Raises:
        ConfigError: address or query is missing or wrong, or the driver is not installed.
        DataError: the database cannot be reached, refuses, goes away halfway, or has no row.
    """
    query = _checked(settings)
    engine, address = _engine(settings)
    key = hashlib.sha256(f"{settings.url}\n{query}".encode()).hexdigest()[:16]
    path = data_dir / FOLDER / key / "rows.parquet"
    password = password_of(settings.url or "")
    stage = Stage(f"ask {address}", None, "rows", progress)
    try:
        with _errors(address, password, stage), atomic_file(path) as temporary:
            with engine.connect() as connection:
                _write(connection, query, temporary, stage)
            if not stage.done:
                raise DataError(f"{address} has no row for data.sql.query={_short(query)}; check its conditions")
    finally:
        engine.dispose()
    return path


def database_name(settings: SqlSettings) -> str:
    """What a data set from a database is called: the database's own name."""
    from sqlalchemy import make_url

    name = Path(make_url(settings.url or "").database or "").stem
    return re.sub(r"[^\w-]+", "_", name).strip("_") or "database"


def _checked(settings: SqlSettings) -> str:
    """The query, where both settings are given and it only reads."""
    if not settings.url or not settings.query:
        missing = "url" if not settings.url else "query"
        raise ConfigError(
            f"data.sql.{missing} is missing; a data set from a database needs both: "
            f"data.sql.url=postgresql://ann@host/shop "
            f"data.sql.query={EXAMPLE!r}"
        )
    query = settings.query.strip().rstrip(";").strip()
    first = re.match(r"\(*\s*(\w*)", COMMENT.sub("", query))
    if first is None or first[1].lower() not in READING:
        raise ConfigError(
            f"data.sql.query={_short(query)} is no query that reads; expected select ..., and one statement alone"
        )
    return query


def _engine(settings: SqlSettings) -> tuple[Engine, str]:
    """What speaks to the database, and its address as it may be shown."""
    try:
        from sqlalchemy import create_engine, make_url
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError
    except ModuleNotFoundError:
        raise ConfigError(
            "data.sql needs SQLAlchemy, which is not installed: uv sync --extra sql (pip install 'rec-sys[sql]')"
        ) from None
    given = settings.url or ""
    expected = "expected such as postgresql://ann@host/shop, mysql+pymysql://ann@host/shop or sqlite:///shop.db"
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):
        raise ConfigError(f"data.sql.url={given} is no address of a database; {expected}") from None
    shown = url.render_as_string(hide_password=True)
    url = _with_driver(url)
    if (password := password_of(given)) is not None and url.username is not None:
        url = url.set(password=password)
    if url.get_backend_name() == "sqlite":
        _check_file(url)
    try:
        return create_engine(url, hide_parameters=True), shown
    except NoSuchModuleError:
        raise ConfigError(f"data.sql.url={shown}: SQLAlchemy knows no {url.drivername}; {expected}") from None
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"data.sql.url={shown} needs the driver {error.name!r}, which is not installed; install it beside rec-sys, "
            f"or name another one: {expected}"
        ) from None


def _with_driver(url: URL) -> URL:
    """PostgreSQL by the driver that comes with the extra, unless the address names one."""
    return url.set(drivername="postgresql+psycopg") if url.drivername in ("postgresql", "postgres") else url


def _check_file(url: URL) -> None:
    """SQLite would make a file that does not exist."""
    if url.database and url.database != ":memory:" and not url.database.startswith("file:"):
        file = Path(url.database)
        if not file.is_file():
            raise DataError(f"data.sql.url names {file}, which does not exist (looked for {file.absolute()})")


def _write(connection: Connection, query: str, path: Path, stage: Stage) -> None:
    """Stream the rows into a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from sqlalchemy import text

    options: dict[str, Any] = {"yield_per": BATCH, "stream_results": True}
    if connection.dialect.name == "postgresql":
        connection = connection.execution_options(postgresql_readonly=True)
    elif statement := READ_ONLY.get(connection.dialect.name):
        connection.exec_driver_sql(statement)
    # Colons of the query are its own: times such as '10:30' are no parameters.
    result = connection.execute(text(query.replace(":", "\\:")), execution_options=options)
    names = list(_unique(list(result.keys())))
    schema = pa.schema([(name, pa.string()) for name in names])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for rows in result.partitions():
            columns = [pa.array(map(value_text, column), pa.string()) for column in zip(*rows, strict=True)]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
            stage.advance(len(rows))


def _unique(names: Sequence[str]) -> Iterator[str]:
    seen: dict[str, int] = {}
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        yield name if seen[name] == 1 else f"{name}_{seen[name]}"


@contextmanager
def _errors(address: str, password: str | None, stage: Stage) -> Iterator[None]:
    """Errors of the database as one line that says what to do, without the password."""
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        said = hidden(" ".join(str(cause).split()), password)[:400]
        if stage.done:
            raise DataError(
                f"{address} went away after {stage.done:,} rows ({said}); nothing of them is kept: ask again"
            ) from None
        raise DataError(
            f"{address} did not answer ({said}); check data.sql.url and data.sql.query, and the password in "
            f"{PASSWORD_VARIABLE}"
        ) from None


def _short(query: str) -> str:
    plain = " ".join(query.split())
    return repr(plain if len(plain) <= 120 else plain[:120] + "...")
