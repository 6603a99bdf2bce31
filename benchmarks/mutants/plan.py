"""Which mutations there are, which go together, and a file by its number."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from benchmarks.mutants import columns, damage, dates, people, ratings
from benchmarks.mutants.containers import content
from benchmarks.mutants.file import CONTAINERS, SEPARATORS, WEIGHTS, DoesNotFitError, MutatedFile, good_file

Change = Callable[[MutatedFile, random.Random], None]
Fits = Callable[[MutatedFile], bool]

SCRIPTS = ("latin", "western", "cyrillic", "chinese", "japanese", "korean", "polish", "turkish")
SCRIPT_OF = {
    "cp1252": "western", "cp1251": "cyrillic", "gb18030": "chinese", "shift_jis": "japanese", "euc_kr": "korean",
    "cp1250": "polish", "cp1254": "turkish", "koi8_r": "cyrillic", "iso8859_15": "western", "mac_roman": "western",
    "cp850": "western", "cp866": "cyrillic", "gbk": "chinese", "euc_jp": "japanese",
}  # fmt: skip
MOST = 3  # mutations of one file, beside its container


@dataclass(frozen=True)
class Mutation:
    """One change."""

    kind: str  # of two mutations of one kind only one is made; kinds are applied in the order of KINDS
    name: str
    change: Change
    fits: Fits = lambda _: True
    weight: float = 1.0

    @property
    def label(self) -> str:
        return f"{self.kind}: {self.name}"


KINDS = ("encoding", "date", "rating", "columns", "text", "beside", "column order", "people", "repeated", "rows",
         "line end", "packed", "damage")  # fmt: skip


def _always(_: MutatedFile) -> bool:
    return True


def _is_text(file: MutatedFile) -> bool:
    return file.is_text


def _in_lines(file: MutatedFile) -> bool:
    return file.in_lines


def _separated(file: MutatedFile) -> bool:
    return file.separated


def _is_objects(file: MutatedFile) -> bool:
    return file.container in ("JSON lines", "JSON array", "JSON document")


def _has_type(file: MutatedFile) -> bool:
    return not file.is_text


def _encoded(name: str) -> Change:
    def change(file: MutatedFile, _: random.Random) -> None:
        file.encoding = name

    return change


def _line_end(end: str) -> Change:
    def change(file: MutatedFile, _: random.Random) -> None:
        file.line_end = end
        if end == "\r":  # a program with such line ends has no others
            for place, row in enumerate(file.rows):
                if file.separated:
                    file.write(place, text=str(row.written["text"]).replace("\n", "\r"))

    return change


def _mac_with_others(file: MutatedFile, _: random.Random) -> None:
    file.line_end = "\r"


def _packed(file: MutatedFile, _: random.Random) -> None:
    file.packed = True


def _newest_first(file: MutatedFile, _: random.Random) -> None:
    file.rows.reverse()


def _shuffled(file: MutatedFile, generator: random.Random) -> None:
    generator.shuffle(file.rows)


def _by_user(file: MutatedFile, _: random.Random) -> None:
    file.rows.sort(key=lambda row: row.user)


def _without_header(file: MutatedFile, _: random.Random) -> None:
    file.has_header = False
    file.refusals.append("no header|header missing|no known format")


def _separators_at_the_end(file: MutatedFile, generator: random.Random) -> None:
    file.ends = SEPARATORS[file.container]
    if generator.random() < 0.5:  # in the header too
        file.names["end"] = ""
        file.fields.append("end")
        for place in range(len(file.rows)):
            file.write(place, end="")
        file.ends = ""


def _two_encodings(file: MutatedFile, _: random.Random) -> None:
    file.half = {"cyrillic": "cp1251", "western": "cp1252"}.get(file.script, "cp1252")
    file.refusals.append("letters|encoding")
    for place, row in enumerate(file.rows):
        words = f"{row.written['user']}{row.written['product']}"
        file.rows[place] = replace(row, may_be_left_out=not words.isascii(), any_text=not row.text.isascii())


def _two_archives(file: MutatedFile, _: random.Random) -> None:
    file.packed, file.members = True, 2


def _blank_lines(file: MutatedFile, _: random.Random) -> None:
    file.blank_lines = True


def _mark_of_excel(file: MutatedFile, _: random.Random) -> None:
    file.preamble = f"sep={';' if file.container == 'csv semicolon' else ',' if 'comma' in file.container else '|'}"
    if file.container == "csv tab":
        file.preamble = "sep=\t"


def _report_title(file: MutatedFile, _: random.Random) -> None:
    file.preamble = f"Reviews of the shop{file.line_end}Exported on 2019-01-01"


def _backslashes(file: MutatedFile, _: random.Random) -> None:
    for place in range(0, len(file.rows), 17):
        row = file.rows[place]
        if not row.left_out:
            text = f'{row.number} the 12\\" one, C:\\new'
            file.rows[place] = replace(row.with_written(text=text), text=text)


def _interactions(file: MutatedFile, _: random.Random) -> None:
    file.fields.remove("text")
    file.refusals.append("no column .* for the text")  # formats that are known by their texts
    file.rows = [replace(row, text="") for row in file.rows]


def _without_ratings(file: MutatedFile, _: random.Random) -> None:
    file.fields.remove("rating")
    file.refusals.append("no column .* for the rating")
    file.rows = [replace(row, stars=None) for row in file.rows]


def _mutations() -> list[Mutation]:
    found = [
        Mutation("encoding", name, _encoded(name), _is_text, 3)
        for name in ("utf-8-sig", "utf-16-le", "utf-16-be", *SCRIPT_OF)
    ]
    for name in (*dates.DAY_FORMS, *dates.SECOND_FORMS, *dates.MAY_BE_REFUSED):
        found.append(Mutation("date", name, lambda file, _, name=name: dates.form_of(name, file)))  # type: ignore[misc]
    found += [
        Mutation("date", "year, month, day", dates.in_parts),
        Mutation("date", "day and time", dates.in_day_and_time),
        Mutation("date", "two columns", dates.in_two_columns),
        Mutation("date", "two forms", dates.two_forms),
        Mutation("date", "day and month change", dates.day_and_month_change),
        Mutation("date", "a count", dates.a_count),
        Mutation("date", "typed", dates.as_dates, _has_type, 8),
        Mutation("date", "few missing", dates.few_missing, weight=2),
        Mutation("date", "few wrong", dates.few_wrong, weight=2),
    ]
    for name in (*ratings.WAYS, *ratings.MAY_BE_REFUSED):
        found.append(Mutation("rating", name, partial(ratings.way_of, name)))  # type: ignore[arg-type]
    found += [
        Mutation("rating", "few missing", ratings.few_missing, weight=2),
        Mutation("rating", "few beyond", ratings.few_beyond, weight=2),
        Mutation("rating", "a third beyond", ratings.many_beyond),
        Mutation("rating", "few of another scale", ratings.few_of_another_scale, weight=3),
        Mutation("rating", "letters", ratings.letters),
        Mutation("rating", "no column", _without_ratings),
    ]
    found += [Mutation("columns", name, lambda file, _, name=name: columns.spelt(name, file)) for name in columns.SPELLINGS]  # type: ignore[misc]
    found += [Mutation("columns", name, lambda file, _, name=name: columns.named(name, file)) for name in columns.OTHER_NAMES]  # type: ignore[misc]
    found += [
        Mutation("columns", "own language", columns.in_own_language, lambda file: file.script in columns.BY_SCRIPT, 6),
        Mutation("beside", "unread columns", columns.beside, weight=3),
        Mutation("beside", "names of people", columns.beside_people, weight=2),
        Mutation("beside", "columns that mislead", columns.beside_others, weight=3),
        Mutation("columns", "nested", columns.nested, _is_objects, 6),
        Mutation("columns", "of MongoDB", columns.of_mongo, _is_objects, 6),
        Mutation("packed", "two archives", _two_archives, _is_text),
        Mutation("beside", "titles", columns.with_titles, weight=2),
        Mutation("column order", "shuffled", columns.in_other_order),
        Mutation("people", "numbers", people.numbers),
        Mutation("people", "17 digits", people.long_numbers),
        Mutation("people", "21 digits", people.bare_21_digits),
        Mutation("people", "floats", people.as_floats),
        Mutation("people", "lost digits", people.of_a_spreadsheet, weight=2),
        Mutation("people", "floats too long", people.floats_too_long),
        Mutation("people", "words for nothing", people.words_for_nothing, weight=2),
        Mutation("people", "names of many", people.names_of_many, weight=2),
        Mutation("people", "one frequent", people.one_frequent),
        Mutation("people", "edges", people.edges),
        Mutation("people", "decomposed accents", people.decomposed, lambda file: file.encoding.startswith("utf")),
        Mutation("repeated", "few", people.repeated),
        Mutation("repeated", "all", people.twice, weight=0.3),
        Mutation("rows", "newest first", _newest_first),
        Mutation("rows", "shuffled", _shuffled, weight=2),
        Mutation("rows", "by user", _by_user),
        Mutation("text", "no texts", _interactions, weight=0.5),
        Mutation("text", "backslashes", _backslashes),
        Mutation("line end", "CRLF", _line_end("\r\n"), _in_lines, 2),
        Mutation("line end", "CR", _line_end("\r"), _separated),
        Mutation("line end", "CR, others in texts", _mac_with_others, _separated, 0.5),
        Mutation("line end", "blank lines", _blank_lines, _in_lines),
        Mutation("line end", "CRCRLF", _line_end("\r\r\n"), _separated),
        Mutation("line end", "separators at the end", _separators_at_the_end, _separated),
        Mutation("line end", "no header", _without_header, _separated),
        Mutation("line end", "two encodings", _two_encodings,
                 lambda file: _in_lines(file) and file.encoding == "utf-8" and file.script in ("western", "cyrillic"), 4),
        Mutation("line end", "sep=", _mark_of_excel, lambda file: file.separated and "::" not in file.container),
        Mutation("line end", "title above", _report_title, _separated),
        Mutation("packed", "gzip", _packed, _is_text, 2),
        Mutation("damage", "stray quote", damage.stray_quote, _in_lines, 4),
        Mutation("damage", "missing field", damage.missing_field, _in_lines, 2),
        Mutation("damage", "extra field", damage.extra_field, _in_lines, 2),
        Mutation("damage", "two lines", damage.two_lines, _in_lines, 2),
        Mutation("damage", "cut off", damage.cut_off, _in_lines, 2),
        Mutation("damage", "null character", damage.null_character, lambda file: file.in_lines),
        Mutation("damage", "lost letter", damage.lost_letter, lambda file: file.encoding.startswith("utf")),
        Mutation("damage", "header again", damage.header_again, _separated),
        Mutation("damage", "totals below", damage.total_line, _in_lines),
        Mutation("damage", "archive cut", damage.cut_archive, lambda file: not file.in_lines or file.packed, 3),
    ]  # fmt: skip
    return found


MUTATIONS = _mutations()


@dataclass(frozen=True)
class Mutant:
    """A mutated file by its number."""

    number: int
    file: MutatedFile
    labels: list[str]  # of its container and mutations
    raw: bytes


def mutant(number: int, seed: int = 0) -> Mutant:
    """The mutant of a number; the same number gives the same file."""
    for attempt in range(50):
        generator = random.Random(f"{seed} {number} {attempt}")
        try:
            return _mutant(number, generator)
        except (UnicodeEncodeError, DoesNotFitError):  # such as an encoding without the letters of another mutation
            continue
    raise AssertionError(f"no mutant {number}")


def _mutant(number: int, generator: random.Random) -> Mutant:
    container = generator.choices(CONTAINERS, WEIGHTS)[0]
    trial = MutatedFile(container, [], "latin")
    by_kind: dict[str, Mutation] = {}
    kinds = generator.sample(KINDS, generator.choice((1, 2, 2, 3, 3, 3)))
    script = generator.choice(SCRIPTS)
    if "encoding" in kinds and trial.is_text:
        fitting = [each for each in MUTATIONS if each.kind == "encoding"]
        by_kind["encoding"] = generator.choice(fitting)
        script = SCRIPT_OF.get(by_kind["encoding"].name, script)
    file = good_file(container, script, generator)
    for kind in KINDS:
        if kind not in kinds:
            continue
        chosen = by_kind.get(kind)
        if chosen is None:
            fitting = [each for each in MUTATIONS if each.kind == kind and each.fits(file)]
            if not fitting:
                continue
            chosen = generator.choices(fitting, [each.weight for each in fitting])[0]
            by_kind[kind] = chosen
        chosen.change(file, generator)
    raw = content(file, generator)
    quoting = f", {file.quoting} quoted" if file.separated else ""
    return Mutant(number, file, [f"container: {container}{quoting}", *(each.label for each in by_kind.values())], raw)
