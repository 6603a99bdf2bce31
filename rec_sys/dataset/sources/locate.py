"""Where the raw files come from: generated, from the web, or a file on this machine."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pydantic import Field

from rec_sys.dataset.sources.sql_settings import SqlSettings
from rec_sys.errors import ConfigError, DataError
from rec_sys.progress import ProgressCallback
from rec_sys.settings import Settings

if TYPE_CHECKING:
    from rec_sys.dataset.sources.sample import SampleFiles

SAMPLE, FILE = "sample", "file"  # names with a meaning
EVENTS, ORDERS, RATINGS = "events", "orders", "ratings"  # also formats, and generated where no path is given
GENERATED = (SAMPLE, EVENTS, ORDERS, RATINGS)
RATINGS_EACH = 3  # ratings of a sample where others have one review
NAMELESS = (*GENERATED, FILE, "interactions")  # sets that are called after the file given with data.path


class SourceSettings(Settings):
    """Which raw files to read."""

    name: str = Field(
        SAMPLE,
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$",
        description="of the data set; sample, events, orders and ratings are generated where no path is given",
    )
    path: str | None = Field(None, description="file of reviews on this machine; given, it wins over name and url")
    metadata: str | None = Field(
        "auto",
        description="file about the products on this machine; 'auto': what belongs to the data set (generated with the "
        "sample, fetched from metadata_url with url, none with path); 'none': products have no names",
    )
    user_ids: str | None = Field(
        None, description="file of lines ID<TAB>NUMBER on this machine, where the reviews number their users"
    )
    product_ids: str | None = Field(None, description="the same for the products; metadata goes by the ids")
    category_tree: str | None = Field(
        "auto",
        description="of events: file with the parent of each category; 'auto': generated with the sample, else none",
    )
    item_properties: str | list[str] | None = Field(
        "auto",
        description="of events: file or files with properties of items as they were at each time, [FILE1,FILE2]; "
        "'auto' as above",
    )
    sql: SqlSettings = Field(default_factory=SqlSettings, description="rows of a database, in place of a file")
    url: str | None = Field(None, description="address of the reviews; fetched once")
    metadata_url: str | None = Field(None, description="address of the file about the products; fetched once")
    sample_seed: int = Field(0, ge=0, description="of the generated sample")
    sample_users: int = Field(800, ge=1, description="users of the generated sample")
    sample_products: int = Field(300, ge=10, description="products of the generated sample")
    sample_reviews: int = Field(
        9_000,
        ge=5,
        description="reviews of the generated sample, at least 5 per user; of ratings a third of them; of events its "
        "visits, of orders its invoices, at least 3 per user",
    )


@dataclass(frozen=True)
class RawFiles:
    """Raw files that are on this machine."""

    reviews: Path
    metadata: Path | None
    name: str  # of the data set, as reports call it
    user_ids: Path | None = None
    product_ids: Path | None = None
    category_tree: Path | None = None
    item_properties: tuple[Path, ...] = ()


def locate(settings: SourceSettings, data_dir: Path, progress: ProgressCallback | None = None) -> RawFiles:
    """Find the raw files; generate or fetch them where they are not yet in `data_dir`.

    A data set that cannot be had whole is an error: training without the metadata would quietly be another training.
    `metadata=none` says so on purpose.

    Args:
        settings: which data set.
        data_dir: generated files go to `sample/`, fetched ones to `<name>/`, both below it.
        progress: told how much is fetched.

    Raises:
        ConfigError: neither a path nor an address is given, or the sizes of the sample cannot go together.
        DataError: a given file does not exist.
        DownloadError: a file could not be fetched.
    """
    raw = _located(settings, data_dir, progress)
    tree, properties = settings.category_tree, settings.item_properties
    files = [properties] if isinstance(properties, str) else properties or []
    if tree not in (None, "auto", "none"):
        raw = replace(raw, category_tree=_existing(str(tree), "category_tree"))
    elif tree != "auto":
        raw = replace(raw, category_tree=None)
    if files != ["auto"]:
        found = tuple(_existing(file, "item_properties") for file in files if file != "none")
        raw = replace(raw, item_properties=found)
    return raw


def _located(settings: SourceSettings, data_dir: Path, progress: ProgressCallback | None) -> RawFiles:
    """As `locate`, with the properties that belong to the data set."""
    wanted = settings.metadata or "none"
    path = _existing(settings.path, "path") if settings.path else None
    metadata = None if wanted in ("auto", "none") else _existing(wanted, "metadata")
    user_ids = _existing(settings.user_ids, "user_ids") if settings.user_ids else None
    product_ids = _existing(settings.product_ids, "product_ids") if settings.product_ids else None
    if path is not None:
        if settings.sql.url or settings.sql.query:
            raise ConfigError("data.path and data.sql both say where the rows are; give one of them")
        name = settings.name
        if name in NAMELESS:
            name = re.sub(r"[^\w-]+", "_", path.name.partition(".")[0]) or FILE  # files and commands will bear it
        return RawFiles(path, metadata, name, user_ids, product_ids)
    if settings.sql.url or settings.sql.query:
        from rec_sys.dataset.sources.sql import database_name, fetch_query  # SQLAlchemy, which few need

        rows = fetch_query(settings.sql, data_dir, progress)
        name = database_name(settings.sql) if settings.name in NAMELESS else settings.name
        return RawFiles(rows, metadata, name, user_ids, product_ids)
    if settings.name in GENERATED and not settings.url:
        return _generated(settings, data_dir / SAMPLE, metadata, user_ids, product_ids)
    if not settings.url:
        raise ConfigError(
            f"data set {settings.name!r} has neither data.path nor data.url; give data.path=FILE, or data=sample for "
            f"generated reviews"
        )
    folder = data_dir / settings.name
    reviews = _fetched(settings.url, folder, "give it with data.path=FILE", progress)
    if wanted == "auto" and settings.metadata_url:
        without = "give it with data.metadata=FILE, or go without products' names with data.metadata=none"
        metadata = _fetched(settings.metadata_url, folder, without, progress)
    return RawFiles(reviews, metadata, settings.name, user_ids, product_ids)


def _existing(given: str, setting: str) -> Path:
    path = Path(given).expanduser()
    if path.exists():
        return path
    advice = "check the path"
    if path.is_relative_to(os.environ.get("REC_SYS_SHARED_DATA") or "../shared/data"):
        advice = f"set REC_SYS_SHARED_DATA to the folder of the data sets, or give the file with data.{setting}=FILE"
    raise DataError(f"data.{setting}={given} does not exist (looked for {path.absolute()}); {advice}")


def _generated(
    settings: SourceSettings, folder: Path, metadata: Path | None, user_ids: Path | None, product_ids: Path | None
) -> RawFiles:
    """The files of a generated data set, made where they are not there yet."""
    if settings.name == SAMPLE:
        files = _sample(settings, folder)
        found = files.metadata if settings.metadata == "auto" else metadata
        return RawFiles(files.reviews, found, SAMPLE, user_ids, product_ids)
    from rec_sys.dataset.sources import sample_events, sample_orders, sample_ratings  # numpy, as below

    sizes = (settings.sample_users, settings.sample_products, settings.sample_reviews)
    made = {EVENTS: sample_events, ORDERS: sample_orders, RATINGS: sample_ratings}[settings.name]
    version = f"{settings.name}-v{made.VERSION}-seed{settings.sample_seed}-" + "-".join(map(str, sizes))
    place = folder / version
    if settings.name == EVENTS:
        events = sample_events.EventFiles.of(place)
        if not events.item_properties.exists():  # it is written last
            events = sample_events.write_events(place, settings.sample_seed, *sizes)
        properties = (events.item_properties,)
        return RawFiles(events.events, metadata, EVENTS, user_ids, product_ids, events.category_tree, properties)
    path = place / f"{settings.name}.csv"
    if not path.exists():
        if settings.name == ORDERS:
            sample_orders.write_orders(place, settings.sample_seed, *sizes)
        else:
            users, products, reviews = sizes
            sample_ratings.write_ratings(place, settings.sample_seed, users, products, RATINGS_EACH * reviews)
    return RawFiles(path, metadata, settings.name, user_ids, product_ids)


def _sample(settings: SourceSettings, folder: Path) -> SampleFiles:
    from rec_sys.dataset.sources import sample  # numpy, which --help does without

    sizes = (settings.sample_users, settings.sample_products, settings.sample_reviews)
    version = f"v{sample.VERSION}-seed{settings.sample_seed}-" + "-".join(map(str, sizes))
    files = sample.SampleFiles.of(folder / version)
    if not (files.reviews.exists() and files.metadata.exists()):
        files = sample.write_sample(folder / version, settings.sample_seed, *sizes)
    return files


def _fetched(url: str, folder: Path, instead: str, progress: ProgressCallback | None) -> Path:
    path = folder / (PurePosixPath(url.partition("?")[0]).name.lstrip(".") or "download")
    if path.exists():
        return path
    from rec_sys.dataset.sources.download import download  # the HTTP library, which only downloads need

    return download(url, path, progress=progress, instead=instead)
