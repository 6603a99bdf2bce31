"""A mutated file: its rows, how they are written, and what a reader may do with them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from benchmarks.mutants.table import Review, reviews

Container = Literal[
    "csv comma", "csv semicolon", "csv tab", "csv pipe", "csv ::", "JSON lines", "JSON array", "JSON document",
    "JSON of pandas", "JSON split", "Parquet", "xlsx",
]  # fmt: skip
CONTAINERS: tuple[Container, ...] = (
    "csv comma", "csv semicolon", "csv tab", "csv pipe", "csv ::", "JSON lines", "JSON array", "JSON document",
    "JSON of pandas", "JSON split", "Parquet", "xlsx",
)  # fmt: skip
WEIGHTS = (8, 3, 4, 1, 1, 4, 2, 2, 1, 1, 2, 2)
SEPARATORS = {"csv comma": ",", "csv semicolon": ";", "csv tab": "\t", "csv pipe": "|", "csv ::": "::"}



class DoesNotFitError(Exception):
    """A mutation cannot be made of what others made."""


Damage = Callable[[list[str], "MutatedFile", random.Random], None]  # changes the written rows in place


@dataclass
class MutatedFile:
    """What is written, and how."""

    container: Container
    rows: list[Review]
    script: str
    quoting: Literal["all", "minimal", "none", "escaped", "single"] = "minimal"
    encoding: str = "utf-8"
    line_end: str = "\n"
    packed: bool = False
    members: int = 1  # of the archive
    fields: list[str] = field(default_factory=lambda: ["user", "product", "rating", "date", "text"])
    names: dict[str, str] = field(
        default_factory=lambda: {
            "user": "user_id",
            "product": "product_id",
            "rating": "rating",
            "date": "timestamp",
            "text": "text",
        }
    )
    damage: Damage | None = None
    cut: int = 0  # bytes that are missing at the end
    blank_lines: bool = False
    preamble: str = ""  # lines above the header
    refusals: list[str] = field(default_factory=list)  # patterns, one of which a refusal has to hold
    warning: str = ""  # pattern that a warning has to hold
    nested: bool = False  # a dot in the name of a column of JSON is a field inside another
    has_header: bool = True
    ends: str = ""  # behind the last field of each row
    half: str = ""  # the encoding of the second half

    @property
    def in_lines(self) -> bool:
        return self.container in SEPARATORS or self.container == "JSON lines"

    @property
    def is_text(self) -> bool:
        return self.container not in ("Parquet", "xlsx")

    @property
    def separated(self) -> bool:
        return self.container in SEPARATORS

    def write(self, place: int, **values: object) -> None:
        """Write fields of a row in another way."""
        self.rows[place] = self.rows[place].with_written(**values)


def good_file(container: Container, script: str, generator: random.Random) -> MutatedFile:
    """A file of the good table."""
    file = MutatedFile(container, reviews(generator, script), script)
    if container in SEPARATORS:
        file.quoting = generator.choice(("all", "minimal", "minimal"))
        if generator.random() < 0.08:
            file.quoting = generator.choice(("escaped", "single"))
        if container == "csv tab" and generator.random() < 0.6:
            file.quoting = "none"
        if container == "csv ::":
            file.quoting = "none"
        if file.quoting == "single":
            file.refusals.append("quot")
        if file.quoting == "none":
            _on_one_line(file)
    return file


def _on_one_line(file: MutatedFile) -> None:
    """Without quotes a text has no line ends and no separators in it."""
    for place, row in enumerate(file.rows):
        written = str(row.written["text"])
        if "\n" in written:
            text = row.text.replace("\n", " ")
            file.rows[place] = replace(row.with_written(text=written.replace("\n", " ")), text=text)
