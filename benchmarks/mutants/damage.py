"""Mutations that damage one line of a text, or its end."""

from __future__ import annotations

import random
from dataclasses import replace

from benchmarks.mutants.file import SEPARATORS, DoesNotFitError, MutatedFile

LOST = "\ufffd"


def _a_row(file: MutatedFile, generator: random.Random) -> int:
    """A row of one line that stands only once, with a text."""
    repeated = {row.number for row in file.rows if row.repeats}
    fits = [
        place
        for place, row in enumerate(file.rows)
        if row.text
        and "\n" not in str(row.written["text"])
        and row.number not in repeated
        and not row.left_out
        and not row.may_be_left_out
        and not any(sign in str(value) for name, value in row.written.items() if name != "text" for sign in ',;|"\'')
    ]
    if not fits or "text" not in file.fields:
        raise DoesNotFitError
    return generator.choice(fits)


def stray_quote(file: MutatedFile, generator: random.Random) -> None:
    """A quote in a text that is not written as one."""
    place = _a_row(file, generator)
    where = generator.choice(("start", "middle", "end"))
    row = file.rows[place]
    text = f"{row.number} fine"
    if generator.random() < 0.3:
        text += f", {SEPARATORS.get(file.container, ',')} cheap"
    at = {"start": 0, "middle": 2 + len(str(row.number)), "end": len(text)}[where]
    with_quote = text[:at] + '"' + text[at:]
    file.rows[place] = replace(
        row.with_written(text=text), text=with_quote, may_be_left_out=True, any_text=True
    )

    def damage(lines: list[str], file: MutatedFile, _: random.Random) -> None:
        lines[place] = lines[place].replace(text, with_quote, 1)

    file.damage = damage


def missing_field(file: MutatedFile, generator: random.Random) -> None:
    """A line lacks a field; in JSON, a colon."""
    if file.ends or "end" in file.fields:
        raise DoesNotFitError  # the one it lacks is empty
    place = _a_row(file, generator)
    file.rows[place] = replace(file.rows[place].with_written(text="fine"), left_out=True)

    def damage(lines: list[str], file: MutatedFile, generator: random.Random) -> None:
        if file.separated:
            separator = SEPARATORS[file.container]
            lines[place] = separator.join(lines[place].split(separator)[:-1])
        else:
            lines[place] = lines[place].replace(":", "", 1)

    file.damage = damage


def extra_field(file: MutatedFile, generator: random.Random) -> None:
    """A separator in a text is not quoted."""
    place = _a_row(file, generator)
    file.rows[place] = replace(file.rows[place].with_written(text="fine"), left_out=True)

    def damage(lines: list[str], file: MutatedFile, _: random.Random) -> None:
        separator = SEPARATORS.get(file.container, "}")
        lines[place] = lines[place] + f"{separator}and more"

    file.damage = damage


def two_lines(file: MutatedFile, generator: random.Random) -> None:
    """A line end in a text is not quoted."""
    place = _a_row(file, generator)
    text = "fine and cheap"
    file.rows[place] = replace(file.rows[place].with_written(text=text), text=text, may_be_left_out=True, any_text=True)

    def damage(lines: list[str], file: MutatedFile, _: random.Random) -> None:
        written = lines[place].replace(f'"{text}"', text) if file.separated else lines[place]
        lines[place] = written.replace(text, f"fine and{file.line_end}cheap")

    file.damage = damage


def cut_off(file: MutatedFile, generator: random.Random) -> None:
    """The last line ends early, before its last field."""
    simple = _a_row(file, generator)
    row = file.rows.pop(simple)
    file.rows.append(replace(row.with_written(text="fine"), left_out=True))
    place = len(file.rows) - 1

    def damage(lines: list[str], file: MutatedFile, generator: random.Random) -> None:
        line = lines[place].rstrip()
        separator = SEPARATORS.get(file.container, ",")
        end = line.find(separator, len(line) // 3) if file.container == "JSON lines" else line.index(separator)
        lines[place] = line[: max(1, end)]

    file.damage = damage
    file.cut = -1  # no line end behind it


def null_character(file: MutatedFile, generator: random.Random) -> None:
    """A zero byte in a text."""
    place = _a_row(file, generator)
    if "title" in file.fields:
        raise DoesNotFitError
    text = f"{file.rows[place].number} fine, isn't it"
    file.rows[place] = replace(file.rows[place].with_written(text=text), text=text, may_be_left_out=True)

    def damage(lines: list[str], file: MutatedFile, _: random.Random) -> None:
        lines[place] = lines[place].replace("isn't", "is\0n't")

    file.damage = damage


def lost_letter(file: MutatedFile, generator: random.Random) -> None:
    """A letter of an id was lost: of a user, or in a text."""
    place = _a_row(file, generator)
    row = file.rows[place]
    if generator.random() < 0.5:
        file.rows[place] = replace(row.with_written(user=f"Jos{LOST}"), left_out=True)
    else:
        text = f"caf{LOST} {row.number}"
        file.rows[place] = replace(row.with_written(text=text), text=text, may_be_left_out=True, any_text=True)


def header_again(file: MutatedFile, generator: random.Random) -> None:
    """The header stands once more in the middle, as where files were joined."""
    place = generator.randrange(1, len(file.rows))

    def damage(lines: list[str], file: MutatedFile, _: random.Random) -> None:
        from benchmarks.mutants.containers import header_line

        lines[place] = header_line(file) + file.line_end + lines[place]

    file.damage = damage


def total_line(file: MutatedFile, generator: random.Random) -> None:
    """A line of totals below the last row."""
    place = len(file.rows) - 1
    empty = SEPARATORS.get(file.container, ",") * (len(file.fields) - 1)
    words = generator.choice((f"Total{empty}", f"{len(file.rows)} rows", f"{empty}{len(file.rows)}"))

    def damage(lines: list[str], file: MutatedFile, _: random.Random) -> None:
        lines[place] = lines[place] + file.line_end + words

    file.damage = damage


def cut_archive(file: MutatedFile, generator: random.Random) -> None:
    """Bytes are missing at the end of a packed or binary file, or of a JSON document."""
    file.cut = generator.choice((1, 10, 200, 2000))
    file.refusals.append("cut off|damaged|cannot be read|no JSON|does not end|ends early|unexpected end")
