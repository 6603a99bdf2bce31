"""From a raw file of reviews to a prepared folder: checked, without repetitions, in one form whatever the source.

What a source lacks stays empty: no rating is null, no text is "", and without a time the timestamp is the place of the
row in the file, or the place of a product in its person's list.

The folder's name is the fingerprint of everything that went into it, so the same input is read once. A repetition is
the same person, product and timestamp (or text) a second time; places in a list or file never repeat.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

import orjson

from rec_sys import columns
from rec_sys.dataset.prepared import PreparedReviews, find_prepared, prepared_folder
from rec_sys.dataset.readers.accounting import LineAccount, check_again, check_days, check_left_out, remedy
from rec_sys.dataset.readers.format_choice import given_columns
from rec_sys.dataset.readers.formats import LISTS, OF_EVENTS, Review, ReviewFormat
from rec_sys.dataset.readers.metadata import read_products
from rec_sys.dataset.readers.metadata_join import check_join
from rec_sys.dataset.readers.profile import Profile, find_profile, first_values
from rec_sys.dataset.readers.reading_settings import ReadSettings
from rec_sys.dataset.readers.real_ids import read_real_ids
from rec_sys.dataset.readers.rejects import Reason, Rejects
from rec_sys.dataset.readers.review_reader import ReviewReader, first
from rec_sys.dataset.readers.row import Row
from rec_sys.dataset.readers.rows import RawFile, peek
from rec_sys.dataset.readers.sequences import Sequences, find_sequences
from rec_sys.dataset.review_writer import ReviewWriter, write_products
from rec_sys.errors import ConfigError, DataError
from rec_sys.files import atomic_folder, sha256_of, write_json
from rec_sys.progress import ProgressCallback, Stage

VERSION = 2  # to be raised when the same raw file would give another folder
HEAD = 100  # rows of a file of lists in which an example of each column is looked for
STEP = 2_000  # rows between two updates of the progress bar


@dataclass(frozen=True)
class _Source:
    """What is read, and how: a file with a row per review has a profile, one of lists has none."""

    file: RawFile
    format: ReviewFormat
    reader: ReviewReader
    unread: list[str]
    examples: dict[str, str]  # the first value of each column
    profile: Profile | None = None
    lists: Sequences | None = None

    def rows(self) -> Iterator[Row]:
        rows = self.file.rows()
        if self.lists is not None:
            return self.lists.unrolled(rows)
        assert self.profile is not None  # noqa: S101
        return self.profile.rows(rows)


def prepare_reviews(
    path: Path,
    out: Path,
    settings: ReadSettings | None = None,
    metadata: Path | None = None,
    progress: ProgressCallback | None = None,
) -> PreparedReviews:
    """Read a raw file into `out/<fingerprint>`, or find it read already.

    The folder appears whole or not at all. Memory holds one row group, all ids and names, and two 16-byte hashes per
    kept review (about 200 bytes as Python objects: 200 MB per million reviews); a file of lists is held whole.

    Args:
        path: reviews as JSON, CSV, Parquet or a workbook, or lists of products (see `sequences`), plain or gzip-packed.
        out: the folder in which prepared folders are kept.
        settings: how to read.
        metadata: file with names and texts of the products; goes before `settings.metadata`.
        progress: told how much of the file is read.

    Raises:
        DataError: a file cannot be read, the reviews are of no known format, or so much is left out that the rest would
            mislead. What was left out stays in `out/<fingerprint>-rejects.jsonl`.
    """
    settings = settings or ReadSettings()
    if settings.category_tree is not None or settings.item_properties:
        raise ConfigError(
            "data.category_tree and data.item_properties are for events and orders; data.metadata=FILE is the file "
            "about reviewed products"
        )
    metadata = metadata or settings.metadata
    user_ids = read_real_ids(settings.user_ids) if settings.user_ids else None
    product_ids = read_real_ids(settings.product_ids) if settings.product_ids else None
    if out.exists() and not out.is_dir():
        raise DataError(f"{out} is a file; expected a folder for prepared reviews: give another place")
    file = RawFile(path, settings.encoding)
    if metadata is not None:
        RawFile(metadata)  # a wrong path is better told now than after the reviews
    fingerprint, *earlier = fingerprints_of(path, metadata, settings)
    folder = prepared_folder(out, fingerprint)
    found = find_prepared(folder, fingerprint)
    if found is not None:
        check_again(path, found.read, found.rejected, settings, folder / columns.REJECTS_FILE)
        return found
    source = _open(file, settings)
    refused = out / f"{folder.name}-{columns.REJECTS_FILE}"
    with atomic_folder(folder) as temporary:
        with (
            Rejects(temporary / columns.REJECTS_FILE) as rejects,
            ReviewWriter(
                temporary / columns.REVIEWS_FILE, source.profile.collective if source.profile else None
            ) as writer,
        ):
            read, account = _read(source, writer, rejects, user_ids, product_ids, progress)
        try:
            warnings = _check(source, read, account, writer, rejects, settings, refused)
        except DataError as error:
            if not rejects.counts:
                raise
            shutil.copyfile(rejects.path, refused)
            listed = "" if str(refused) in str(error) else f"; the rows left out are listed in {refused}"
            raise DataError(f"{error}{listed}", error.remedy) from None
        counts: Counter[str] = Counter()
        products = read_products(metadata, counts) if metadata is not None else ()
        unmatched: list[str] = []
        named = write_products(temporary / columns.PRODUCTS_FILE, writer.names, products, counts, unmatched)
        if metadata is not None:
            warnings = [*warnings, *check_join(metadata, writer.names, counts["reviewed"], unmatched)]
        prepared = _summary(source, folder, fingerprint, read, account, writer, rejects, named, counts, warnings)
        # Programs before this one broke ties of a file that runs back in time the other way.
        prepared = replace(prepared, earlier=[] if prepared.newest_first else earlier)
        summary = {name: value for name, value in asdict(prepared).items() if name != "folder"}
        write_json(temporary / columns.SUMMARY_FILE, summary)
    refused.unlink(missing_ok=True)
    return prepared


def _open(file: RawFile, settings: ReadSettings) -> _Source:
    """What a file holds and how it is read."""
    header, rows = peek(file)
    lists = find_sequences(file.kind, header, settings.columns.user, settings.columns.product)
    if lists is None:
        profile = find_profile(file, settings)
        reader = ReviewReader(profile.format, profile.reading)
        return _Source(file, profile.format, reader, profile.unread, profile.examples, profile)
    given_columns(header, settings.columns, file.path)
    unread = [name for name in header if name not in (lists.user, lists.products, lists.last)]
    format_ = replace(LISTS, name="JSON lists" if file.kind == "JSON object" else "RecBole lists")
    examples = first_values(header, (row.fields for row in islice(rows, HEAD) if isinstance(row.fields, dict)))
    return _Source(file, format_, ReviewReader(format_), unread, examples, lists=lists)


def _read(
    source: _Source,
    writer: ReviewWriter,
    rejects: Rejects,
    user_ids: dict[str, str] | None,
    product_ids: dict[str, str] | None,
    progress: ProgressCallback | None,
) -> tuple[int, LineAccount]:
    """Read all rows; returns how many there were, and where the physical lines went."""
    file, reader = source.file, source.reader
    account = LineAccount(file.scan.lines if file.in_lines else 0)
    if file.kind in ("CSV", "RecBole"):
        account.header = file.layout.skipped
    stage = Stage(f"read {file.path.name}", file.size, "bytes", progress)
    read = 0
    for read, (line, row, lines) in enumerate(source.rows(), 1):
        if isinstance(row, str):
            rejects.add(line, Reason.BROKEN, row)
            account.left_out += lines
            continue
        review = reader.read(row, read)
        if isinstance(review, Review) and (user_ids or product_ids):
            review = _with_real_ids(review, user_ids, product_ids)
        reason = review if isinstance(review, Reason) else writer.add(review, line)
        if reason is None:
            account.kept += lines
        else:
            account.left_out += lines
            rejects.add(line, reason, source.format.shown(row), _at_fault(source.format, reason, row))
        if read % STEP == 0:
            stage.reach(file.position)
    stage.reach(file.size)
    account.blank = file.blank
    return read, account


def _at_fault(format_: ReviewFormat, reason: Reason, row: dict[str, object]) -> object:
    """The value for which a row is left out."""
    names = {
        Reason.RATING_NOT_A_NUMBER: format_.rating,
        Reason.RATING_OUT_OF_RANGE: format_.rating,
        Reason.BAD_DATE: format_.timestamp,
        Reason.IMPLAUSIBLE_DATE: format_.timestamp,
        Reason.BAD_ORDER: format_.order,
        Reason.LOST_LETTERS: (*format_.user, *format_.product),
        Reason.LOST_DIGITS: (*format_.user, *format_.product),
    }.get(reason, ())
    return first(row, names) if names else None


def _check(
    source: _Source,
    read: int,
    account: LineAccount,
    writer: ReviewWriter,
    rejects: Rejects,
    settings: ReadSettings,
    kept_as: Path,
) -> list[str]:
    """Refuse what would mislead; returns what is to be said.

    Raises:
        DataError: nothing is usable, too much was left out, or a line was lost.
    """
    path = source.file.path
    if not writer.kept:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in rejects.counts.most_common())
        why = "its lists are empty"
        if rejects.counts:
            usual = rejects.counts.most_common(1)[0][0]
            why = f"{rejects.first}; {remedy(usual, source.profile)}; they are listed in {kept_as}"
        raise DataError(
            f"{path} ({source.format.name}) holds no usable review: {read:,} rows read, all left out "
            f"({reasons or 'none'}); {why}"
        )
    warnings = check_left_out(path, read, rejects, source.profile, settings, kept_as)
    if source.profile is None:
        return warnings
    if source.file.in_lines:
        account.check(path)
    check_days(path, writer.first, writer.last, writer.kept, source.profile, settings)
    return [*source.profile.warnings, *warnings]


def _summary(
    source: _Source,
    folder: Path,
    fingerprint: str,
    read: int,
    account: LineAccount,
    writer: ReviewWriter,
    rejects: Rejects,
    named: int,
    metadata: Counter[str],
    warnings: list[str],
) -> PreparedReviews:
    format_, profile = source.format, source.profile
    ratings = profile.reading.ratings if profile and format_.rating else None
    lines = asdict(account) if profile and source.file.in_lines else {}
    if source.file.stray_quotes:
        warnings = [
            *warnings,
            f"{source.file.stray_quotes:,} rows have quotes that close nothing; they were read as they stand",
        ]
    if source.file.is_text and (damaged := source.file.scan.damaged):
        warnings = [
            *warnings,
            f"{damaged:,} lines or more hold bytes that {source.file.scan.name} does not have; their letters are lost: "
            f"are parts of the file in another encoding?",
        ]
    return PreparedReviews(
        folder=folder,
        fingerprint=fingerprint,
        source=source.file.path.name,
        kind=source.file.described,
        format=format_.name,
        columns=profile.taken if profile else {},
        examples=source.examples,
        read=read,
        lines=lines,
        unread=source.unread,
        kept=writer.kept,
        order=format_.ordered_by,
        order_column=next(iter(format_.timestamp or format_.order), ""),
        newest_first=bool(format_.timestamp) and writer.newest_first,
        rated=writer.rated,
        rating_scale=list(ratings.scale) if ratings and writer.rated else None,
        zero_is_none=ratings is not None and ratings.zero_is_none,
        rejected={str(reason): count for reason, count in rejects.counts.most_common()},
        without_text=writer.without_text,
        first=writer.first,
        last=writer.last,
        users=len(writer.users),
        collective=dict(profile.collective) if profile else {},
        products=len(writer.names),
        products_named=named,
        metadata=dict(metadata),
        warnings=warnings,
    )


def _with_real_ids(
    review: Review, user_ids: dict[str, str] | None, product_ids: dict[str, str] | None
) -> Review | Reason:
    """The review with the ids its numbers stand for."""
    user_id = review.user_id if user_ids is None else user_ids.get(review.user_id)
    product_id = review.product_id if product_ids is None else product_ids.get(review.product_id)
    if user_id is None or product_id is None:
        return Reason.NO_ID
    return review._replace(user_id=user_id, product_id=product_id)


def fingerprints_of(path: Path, metadata: Path | None, settings: ReadSettings) -> list[str]:
    """Hex digests of all that decides what the folder holds: of this version, then of those before."""
    parts: dict[str, object] = {
        "reviews": sha256_of(path),
        "metadata": None if metadata is None else sha256_of(metadata),
        "settings": {"columns": settings.columns.model_dump(mode="json", exclude={"order", *OF_EVENTS})},
    }
    # Settings that came later count only where they are given: checkpoints know their data by this digest.
    if settings.columns.order is not None:
        parts["order"] = settings.columns.order
    if of_events := settings.columns.model_dump(include=set(OF_EVENTS), exclude_none=True):
        parts["columns_of_events"] = of_events
    later = settings.model_dump(
        mode="json",
        exclude={
            *("columns", "metadata", "user_ids", "product_ids", "max_left_out"),
            *("category_tree", "item_properties"),
        },
        exclude_defaults=True,
    )
    parts |= later
    if settings.user_ids is not None:
        parts["user_ids"] = sha256_of(settings.user_ids)
    if settings.product_ids is not None:
        parts["product_ids"] = sha256_of(settings.product_ids)
    if settings.category_tree is not None:
        parts["category_tree"] = sha256_of(settings.category_tree)
    if settings.item_properties:
        parts["item_properties"] = [sha256_of(file) for file in settings.item_properties]
    versions = range(VERSION, 0, -1)
    return [
        hashlib.sha256(orjson.dumps({**parts, "version": version}, option=orjson.OPT_SORT_KEYS)).hexdigest()
        for version in versions
    ]
