"""Data sets for Python: from a path, a DataFrame or the name of the sample; and again from a model's record."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rec_sys.dataset.dataset import Dataset, load_data, load_data_again
from rec_sys.dataset.kept_paths import with_found_paths
from rec_sys.dataset.settings import DataSettings, SplitSettings
from rec_sys.errors import DataError, RecSysError
from rec_sys.frames import is_frame, is_pandas, write_frame
from rec_sys.paths import Paths
from rec_sys.progress import ProgressCallback
from rec_sys.text.settings import EncoderSettings

if TYPE_CHECKING:
    from rec_sys.frames import DataFrame

SAMPLE = "sample"
SAMPLES = ("sample:events", "sample:orders", "sample:ratings")
FRAME = "dataframe"  # the name of a data set that came as one


def load_dataset(
    source: str | Path | DataFrame,
    *,
    columns: Mapping[str, str] | None = None,
    metadata: str | Path | DataFrame | None = None,
    name: str | None = None,
    work_dir: str | Path = ".",
    k_core: int = 1,
    split: Mapping[str, Any] | SplitSettings | None = None,
    encoder: str | Mapping[str, Any] | EncoderSettings | None = None,
    format: str = "auto",  # noqa: A002  the setting's name
    query: str | None = None,
    progress: ProgressCallback | None = None,
) -> Dataset:
    """Read and check reviews.

    A DataFrame goes through the same reader as a file: it is written as Parquet below `work_dir`, the same one once.

    Args:
        source: "sample" for generated reviews, or "sample:events", "sample:orders", "sample:ratings"; a file (JSON
            lines, CSV, Parquet, plain or gzip); or a DataFrame.
        columns: which column holds what, by field: user, product, rating, timestamp, order, text, title, product_name.
            Usual names are recognised without it.
        metadata: names and texts of the products, a file or a DataFrame.
        name: of the data set; None: the file's.
        work_dir: folder for what is prepared and computed, so that it is done once.
        k_core: keep users and products with at least this many reviews; 1 keeps all.
        split: settings of the split, such as {"held_out_users": 0.1}.
        encoder: of texts: its name, or its settings.
        format: "interactions" where a user and a product are all there is; "ratings", "events" or "orders".
        query: of a database, whose address `source` is then; its password is kept nowhere.
        progress: told how far the work is.

    Raises:
        ConfigError: a setting is unknown or out of its limits.
        DataError: the source cannot be read or holds nothing usable.
    """
    paths = Paths(work_dir=Path(work_dir))
    frames = paths.data / "frames"
    values: dict[str, Any] = {"k_core": k_core, "columns": dict(columns or {}), "format": format}
    if is_frame(source):
        values |= {"name": name or FRAME, "path": str(write_frame(source, frames, name or FRAME).absolute())}
    elif str(source) in (SAMPLE, *SAMPLES):
        own = str(source).rpartition(":")[2]
        if name not in (None, own):
            raise DataError(f"name={name!r}, but the sample is always called {own!r}; leave name out")
        values |= {"name": own} | ({"format": own} if own != SAMPLE else {})
    elif query is not None:
        values |= {"sql": {"url": str(source), "query": query}} | ({"name": name} if name else {})
    elif isinstance(source, str | Path):
        values |= {"path": str(source)} | ({"name": name} if name else {})
    else:
        raise DataError(
            f"a data set cannot be read from {type(source).__name__}; give a path, a pandas or Polars DataFrame, "
            f"or 'sample'"
        )
    if metadata is not None:
        file = write_frame(metadata, frames, f"{name or FRAME}-products") if is_frame(metadata) else metadata
        values["metadata"] = str(file)
    data = load_data(
        DataSettings.read(values),
        _read(EncoderSettings, {"name": encoder} if isinstance(encoder, str) else encoder, "encoder"),
        paths,
        progress,
        _read(SplitSettings, split, "split"),
    )
    data.as_pandas = is_pandas(source)
    return data


def reload_dataset(info: Mapping[str, Any], advice: str) -> Dataset:
    """The data set a model was fitted on, read again as the model's record says.

    Args:
        info: of the model.
        advice: what to do where it cannot be read.

    Raises:
        DataError: it cannot be had.
    """
    settings, about = info.get("settings") or {}, info.get("data") or {}
    name = about.get("name", "the data set")
    if "data" not in settings:
        raise DataError(f"{name}, which the model was fitted on, is not at hand and cannot be read again; {advice}")
    paths = Paths.read(settings.get("paths") or {}, "paths")
    try:
        if not paths.work_dir.is_dir():
            raise DataError(f"no folder {paths.work_dir}")
        data = load_data_again(
            with_found_paths(settings["data"], paths),
            EncoderSettings.read(settings.get("encoder") or {}, "encoder"),
            paths,
            about,
            split=SplitSettings.read(settings.get("split") or {}, "split"),
        )
    except RecSysError as error:
        raise DataError(f"{name}, which the model was fitted on, cannot be read again ({error}); {advice}") from error
    data.as_pandas = bool(about.get("as_pandas"))
    return data


def _read(kind: Any, values: Any, group: str) -> Any:
    """Settings that came as such, as a mapping or not at all."""
    return values if isinstance(values, kind) else kind.read(values or {}, group)
