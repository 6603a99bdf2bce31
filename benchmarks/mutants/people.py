"""Mutations of ids: lost digits, words for nothing, names of many, numbers, repeated rows."""

from __future__ import annotations

import random
from dataclasses import replace

from benchmarks.mutants.file import DoesNotFitError, MutatedFile
from benchmarks.mutants.table import DAY, some

LOST = "digits|zeros|lost"


def _renamed(file: MutatedFile, users: dict[str, tuple[object, str]]) -> None:
    """Give users other ids: as written, and as meant."""
    for place, row in enumerate(file.rows):
        written, meant = users[row.user]
        file.rows[place] = replace(row.with_written(user=written), user=meant)


def _users(file: MutatedFile) -> list[str]:
    return sorted({row.user for row in file.rows})


def numbers(file: MutatedFile, generator: random.Random) -> None:
    """Users are whole numbers."""
    chosen = generator.sample(range(10**8, 10**9), len(_users(file)))
    _renamed(file, {user: (number, str(number)) for user, number in zip(_users(file), chosen, strict=True)})


def long_numbers(file: MutatedFile, generator: random.Random) -> None:
    """Users are numbers of 17 digits, each exact."""
    chosen = [76_561_198_000_000_000 + generator.randrange(10**9) for _ in _users(file)]
    as_text = file.container == "xlsx" or generator.random() < 0.5
    _renamed(
        file,
        {
            user: (str(number) if as_text else number, str(number))
            for user, number in zip(_users(file), chosen, strict=True)
        },
    )


def bare_21_digits(file: MutatedFile, generator: random.Random) -> None:
    """Users are numbers of 21 digits, as Google has them; in JSON without quotes."""
    chosen = [101_463_350_189_962_000_000 + generator.randrange(10**6) for _ in _users(file)]
    bare = file.container.startswith("JSON")
    _renamed(
        file,
        {
            user: (number if bare else str(number), str(number))
            for user, number in zip(_users(file), chosen, strict=True)
        },
    )


def as_floats(file: MutatedFile, generator: random.Random) -> None:
    """Whole numbers with a decimal, as a table with gaps writes them."""
    chosen = generator.sample(range(10**6, 10**7), len(_users(file)))
    _renamed(file, {user: (float(number), str(number)) for user, number in zip(_users(file), chosen, strict=True)})


def of_a_spreadsheet(file: MutatedFile, generator: random.Random) -> None:
    """Numbers of 17 digits, of which a spreadsheet kept the first."""
    chosen = [76_561_198_000_000_000 + generator.randrange(10**9) for _ in _users(file)]
    pattern = generator.choice(("{:.5E}", "{:.2E}", "{:.5E} with a comma", "rounded", "some rounded"))
    written: dict[str, tuple[object, str]] = {}
    for place, (user, number) in enumerate(zip(_users(file), chosen, strict=True)):
        if pattern == "rounded":
            text = str(number // 1000 * 1000)
        elif pattern == "some rounded" and place % 2:
            text = str(number)
        elif pattern.startswith("some"):
            text = f"{number:.5E}"
        else:
            text = pattern.removesuffix(" with a comma").format(number)
        written[user] = (text.replace(".", ",") if "comma" in pattern else text, "")
    _renamed(file, written)
    file.rows = [replace(row, left_out=True) for row in file.rows]
    file.refusals.append(LOST)


def floats_too_long(file: MutatedFile, generator: random.Random) -> None:
    """Numbers of 17 digits as floats, which do not hold them."""
    chosen = [76_561_198_000_000_000 + generator.randrange(10**9) for _ in _users(file)]
    _renamed(file, {user: (float(number), "") for user, number in zip(_users(file), chosen, strict=True)})
    file.rows = [replace(row, left_out=True) for row in file.rows]
    file.refusals.append(LOST)


def words_for_nothing(file: MutatedFile, generator: random.Random) -> None:
    """A few rows say nothing where a user or product is named."""
    word: object = generator.choice(("", "NULL", "nan", "None", "N/A", "<NA>", "#N/A", "\\N", "-", None))
    what = generator.choice(("user", "product"))
    for place in some(generator, file.rows, 0.03):
        file.rows[place] = replace(file.rows[place].with_written(**{what: word}), left_out=True)


def names_of_many(file: MutatedFile, generator: random.Random) -> None:
    """Many rows are of a user that stands for many."""
    names = generator.sample(
        ("A Google User", "Amazon Customer", "Anonymous", "anonymous", "Guest", "Kindle Customer", "Verified Buyer",
         "Deleted User", "Unknown"), 2,
    )  # fmt: skip
    for place in some(generator, file.rows, generator.choice((0.02, 0.2, 0.6))):
        name = generator.choice(names)
        file.rows[place] = replace(file.rows[place].with_written(user=name), user=name, is_many=True)
    if len({(row.user, row.product, row.seconds // DAY) for row in file.rows if not row.text}) < sum(
        not row.text for row in file.rows
    ):
        raise DoesNotFitError  # two reviews of one day without a text are one
    counts = {name: sum(row.user == name for row in file.rows) for name in names}
    if min(counts.values()) < 2:
        raise DoesNotFitError  # a name that stands once is one user


def one_frequent(file: MutatedFile, generator: random.Random) -> None:
    """Half of the rows are of one unknown user name of a shop, such as an importer."""
    for place in some(generator, file.rows, 0.6):
        file.rows[place] = replace(file.rows[place].with_written(user="import-2017"), user="import-2017", is_many=True)


def repeated(file: MutatedFile, generator: random.Random) -> None:
    """A few rows stand twice."""
    for place in some(generator, file.rows, 0.03):
        file.rows.append(replace(file.rows[place], repeats=True))


def twice(file: MutatedFile, _: random.Random) -> None:
    """All rows stand twice: an export appended to itself."""
    file.rows += [replace(row, repeats=True) for row in file.rows]


def edges(file: MutatedFile, generator: random.Random) -> None:
    """Blanks, no-break and zero-width ones around ids."""
    around = generator.choice((" ", "  ", "\t")) if file.script != "latin" or not file.is_text else "\u200b"
    if "tab" in file.container or file.encoding != "utf-8":
        around = " "
    for place in some(generator, file.rows, 0.3):
        row = file.rows[place]
        file.write(place, user=f"{around}{row.written['user']}{around}", product=f"{row.written['product']}{around}")


def decomposed(file: MutatedFile, generator: random.Random) -> None:
    """Accents written as signs of their own in a part of the rows."""
    import unicodedata

    for place in some(generator, file.rows, 0.5):
        row = file.rows[place]
        file.write(place, user=unicodedata.normalize("NFD", str(row.written["user"])))
