"""The page about a raw file as text for a terminal, and the cells of its tables, which the HTML page shows too."""

from __future__ import annotations

from rec_sys.columns import MAX_RATING, MIN_RATING
from rec_sys.dataset.description import Description, SampleRow
from rec_sys.dataset.prepared import PreparedReviews, aligned
from rec_sys.tables import cut, text_table

NUMBERS = ("line", "rating", "as 1 to 5", "place")  # columns of the sample rows that are set to the right
MIN_CELL, MIN_TEXT = 8, 24  # columns of a terminal that an id and a text get at least


def page_text(description: Description, width: int = 120) -> str:
    """The page; the warnings are its last lines.

    Args:
        description: of the file.
        width: columns of the terminal; the sample rows are cut to fit.
    """
    samples, prepared = description.samples, description.prepared
    title = f"first {len(samples)} rows as they were understood" if len(samples) > 1 else "the row as it was understood"
    parts = [
        aligned(prepared.account()),
        f"{title}\n\n{_sample_table(samples, prepared, width)}",
        f"{description.what} of each user and product\n\n{text_table(spread_cells(description))}",
        aligned([(name, None, words) for name, words in description.facts()]),
    ]
    if description.warnings:
        parts.append("\n".join(f"warning: {warning}" for warning in description.warnings))
    return "\n\n".join(parts)


def sample_cells(samples: list[SampleRow], prepared: PreparedReviews) -> list[list[str]]:
    """A head and the sample rows as cells; columns in which nothing stands are left out."""
    rescaled = prepared.rating_scale is not None and prepared.rating_scale != [MIN_RATING, MAX_RATING]
    head = ["line", "user", "product", "rating", "as 1 to 5", "date" if prepared.order == "time" else "place"]
    lines = [[*head, "product name", "text"]]
    for row in samples:
        ratings = ["" if value is None else f"{round(value, 2):g}" for value in (row.rating, row.stars)]
        lines.append([f"{row.line:,}", row.user, row.product, *ratings, row.when, row.product_name, row.text])
    columns_ = [column for column in zip(*lines, strict=True) if any(column[1:])]
    if not rescaled:
        columns_ = [column for column in columns_ if column[0] != "as 1 to 5"]
    return [list(line) for line in zip(*columns_, strict=True)]


def _sample_table(samples: list[SampleRow], prepared: PreparedReviews, width: int) -> str:
    """The sample rows; ids and names get a part of the width, less where it leaves the text no room."""
    cells = sample_cells(samples, prepared)
    head = cells[0]
    left, lines = 0, cells
    for part in range(6, 11):
        limit = max(width // part, MIN_CELL)
        limits = dict.fromkeys(("user", "product", "product name"), limit)
        lines = [[cut(cell, limits.get(name, width)) for name, cell in zip(head, line, strict=True)] for line in cells]
        others = [line[:-1] if head[-1] == "text" else line for line in lines]
        left = width - len(text_table(others).splitlines()[1]) - 2
        if left >= MIN_TEXT:
            break
    if head[-1] == "text":
        lines = [[*line[:-1], cut(line[-1], max(left, MIN_CELL))] for line in lines]
    words = {place for place, name in enumerate(head) if name not in NUMBERS}
    return text_table(lines, left=words)


def spread_cells(description: Description) -> list[list[str]]:
    """A head, and a line each for users and products."""
    head = ["", "number", "median", "most", "with 1", "with 2", "with 3 or more"]
    lines = [
        [name, f"{its.total:,}", f"{its.median:g}", *(f"{n:,}" for n in (its.most, its.one, its.two, its.more))]
        for name, its in (("users", description.users), ("products", description.products))
    ]
    return [head, *lines]
