"""DataFrames in and out, pandas or Polars. pandas is no dependency: it is looked at only where it came from outside."""

from __future__ import annotations

import hashlib
import io
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import polars as pl

from rec_sys.errors import DataError
from rec_sys.files import atomic_file

if TYPE_CHECKING:
    import pandas as pd

    DataFrame: TypeAlias = pl.DataFrame | pd.DataFrame

Column = Sequence[Any] | np.ndarray[Any, Any]


def is_pandas(value: object) -> bool:
    """Whether it is a pandas DataFrame; does not import pandas."""
    pandas = sys.modules.get("pandas")  # whoever made one has imported it
    return pandas is not None and isinstance(value, pandas.DataFrame)


def is_frame(value: object) -> bool:
    """Whether it is a DataFrame that can be read."""
    return isinstance(value, pl.DataFrame | pl.LazyFrame) or is_pandas(value)


def to_polars(frame: object) -> pl.DataFrame:
    """A DataFrame as Polars; an index of pandas with a name becomes a column.

    Raises:
        DataError: it is no DataFrame, or has columns that cannot be read.
    """
    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    if isinstance(frame, pl.DataFrame):
        return frame
    if not is_pandas(frame):
        raise DataError(f"expected a pandas or Polars DataFrame, got {type(frame).__name__}")
    named: Any = frame
    if any(name is not None for name in named.index.names):
        named = named.reset_index()
    named = named.rename(columns=str)
    try:
        plain: pl.DataFrame = pl.from_pandas(named)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:  # Arrow's errors are of the first two kinds
        raise DataError(f"the DataFrame cannot be read ({error}); give each column values of one type") from error
    return plain


def frame_of(columns: Mapping[str, Column], as_pandas: bool = False) -> DataFrame:
    """A DataFrame of columns of equal length, in the kind that is wanted."""
    if as_pandas:
        import pandas as pd

        return pd.DataFrame(dict(columns))
    return pl.DataFrame(dict(columns))


def records_of(rows: object) -> list[dict[str, Any]]:
    """A DataFrame or a list of dicts as a list of dicts.

    Raises:
        DataError: it is neither.
    """
    if is_frame(rows):
        return to_polars(rows).to_dicts()
    if isinstance(rows, Sequence) and not isinstance(rows, str) and all(isinstance(row, Mapping) for row in rows):
        return [{str(key): value for key, value in row.items()} for row in rows]
    raise DataError(f"expected a DataFrame or a list of dicts, one per review, got {type(rows).__name__}")


def write_frame(frame: object, folder: Path, name: str) -> Path:
    """Write a DataFrame as Parquet, named after its content, so that the same one is written once.

    Raises:
        DataError: it is no DataFrame, or a column cannot be written.
    """
    plain = to_polars(frame)
    plain = plain.with_columns(pl.col(pl.Categorical).cast(pl.String), pl.col(pl.Enum).cast(pl.String))
    buffer = io.BytesIO()
    try:
        plain.write_parquet(buffer)
    except pl.exceptions.PolarsError as error:
        raise DataError(f"the DataFrame cannot be written as Parquet ({error}); leave such columns out") from error
    content = buffer.getvalue()
    path = folder / f"{name}-{hashlib.sha256(content).hexdigest()[:16]}.parquet"
    if not path.is_file():
        with atomic_file(path) as temporary:
            temporary.write_bytes(content)
    return path
