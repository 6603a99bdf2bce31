"""Faults of single lines: a stray quote, a field too few or too many, a cut, a null character, other lines."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from benchmarks.mutants_table import Draft, Truth

BROKEN = (
    "stray quote before a text",
    "stray quote in a text",
    "stray quote before an id",
    "missing field",
    "extra field",
    "separator in a text",
    "last line cut",
    "null character",
    "footer",
    "header again",
    "two lines in one",
)


def break_record(
    draft: Draft, lines: list[str], records: list[list[str]], columns: list[str], separator: str
) -> list[str]:
    """The lines with one of them broken.

    Args:
        draft: of the file; what must come out of the broken row is changed in it.
        lines: of the file, the header first if there is one.
        records: their fields before they were quoted; none for JSON lines.
        columns: the fields of a line by name.
        separator: of the fields; "" for JSON lines.
    """
    above = len(lines) - len(draft.rows)
    place = draft.rng.randrange(20, len(draft.rows) - 1)
    if draft.broken in ("last line cut", "footer"):
        place = len(draft.rows) - 1
    # A row of one line without quotes, so that what is wrong is what the mutation made wrong.
    plain = {"text": f"plain text {place}"}
    title = draft.rows[place].get("title")
    draft.change(place, plain, text=f"{title}\n{plain['text']}" if title else plain["text"])
    struck = draft.truth[place : place + 2]
    row, line, lines = draft.rows[place], place + above, list(lines)
    if separator:
        fields = list(records[line])
        fields[columns.index("text")] = plain["text"]
        lines[line] = _delimited(draft, place, fields, columns, separator)
    else:
        named = {draft.names.get(column, column): row[column] for column in columns if column in row}
        lines[line] = _json(draft, place, named)
    if draft.broken == "two lines in one":
        lines[line] += lines.pop(line + 1)
        _left_out(draft, place, together=True)
    elif draft.broken == "footer":
        lines.append(draft.rng.choice(("(300 rows affected)", "-----", "Total: 300", "# end", "EOF")))
        draft.rows.append({})
        draft.truth.append(Truth("", "", None, 0, "", kept=False))
    elif draft.broken == "header again":
        lines.insert(line, lines[0] if above else "header")
        draft.rows.insert(place, {})
        draft.truth.insert(place, Truth("", "", None, 0, "", kept=False))
    # Where a row is lost that another one repeats, the other is kept.
    for other, truth in enumerate(draft.truth):
        if not truth.kept and any(_same(truth, its) for its in struck):
            draft.truth[other] = replace(truth, may_be_left_out=True)
    return lines


def _same(one: Truth, other: Truth) -> bool:
    return (one.user, one.product, one.time) == (other.user, other.product, other.time)


def _left_out(draft: Draft, place: int, together: bool = False) -> None:
    draft.truth[place] = replace(draft.truth[place], kept=False)
    if together:  # with the next one
        draft.rows.pop(place + 1)
        draft.truth.pop(place + 1)


def _delimited(draft: Draft, place: int, fields: list[str], columns: list[str], separator: str) -> str:
    quoting, text, rng = draft.container.split()[2], columns.index("text"), draft.rng
    marks = quoting in ("all", "backslash")
    shown = [_quoted(field, separator, marks, quoting) for field in fields]
    match draft.broken:
        case "stray quote before a text":
            shown[text] = f'"{fields[text]}'
            _as_it_stands(draft, place)
        case "stray quote in a text":
            middle = len(fields[text]) // 2
            shown[text] = f'{fields[text][:middle]}"{fields[text][middle:]}'
            shown[text] = f'"{shown[text]}"' if marks else shown[text]
            _as_it_stands(draft, place)
        case "stray quote before an id":
            who = columns.index(rng.choice(("user", "product")))
            shown[who] = f'"{fields[who]}'
            _as_it_stands(draft, place)
        case "missing field":
            shown.pop(rng.randrange(len(shown)))
            _left_out(draft, place)
        case "extra field":
            shown.insert(rng.randrange(len(shown) + 1), "17")
            _left_out(draft, place)
        case "separator in a text":
            shown[text] = f"plain{separator}text {place}"
            _left_out(draft, place)
        case "last line cut":
            whole = separator.join(shown)
            _left_out(draft, place)
            return whole[: rng.randrange(1, max(len(separator.join(shown[:-1])), 2))]
        case "null character":
            which = columns.index(rng.choice(("user", "product", "text")))
            middle = len(shown[which]) // 2
            shown[which] = f"{shown[which][:middle]}\0{shown[which][middle:]}"
            _as_it_stands(draft, place)
    return separator.join(shown)


def _as_it_stands(draft: Draft, place: int) -> None:
    draft.truth[place] = replace(draft.truth[place], may_be_left_out=True)


def _quoted(field: str, separator: str, always: bool, quoting: str) -> str:
    if quoting == "none" or not (always or separator in field or '"' in field):
        return field
    inner = field.replace("\\", "\\\\").replace('"', '\\"') if quoting == "backslash" else field.replace('"', '""')
    return f'"{inner}"'


def _json(draft: Draft, place: int, row: dict[str, Any]) -> str:
    rng, text = draft.rng, draft.names["text"]
    match draft.broken:
        case "missing field":
            fields = {draft.names.get(name, name): name for name in draft.names}
            name = rng.choice([name for name in row if name in fields])
            row = {key: value for key, value in row.items() if key != name}
            if fields[name] == "text":
                title = draft.rows[place].get("title")
                draft.change(place, {}, text=title or "")
            elif fields[name] == "rating":
                draft.change(place, {}, rating=None, may_be_left_out=True)
            else:
                _left_out(draft, place)
        case "extra field":
            row = {**row, "zzz": [1, {"a": None}]}
        case "last line cut":
            _left_out(draft, place)
            whole = json.dumps(row, ensure_ascii=False)
            return whole[: rng.randrange(1, len(whole))]
        case "null character":
            whole = json.dumps(row, ensure_ascii=False)
            _as_it_stands(draft, place)
            return whole.replace("plain text", "plain \0text") if text in row else whole
        case "stray quote before a text" | "stray quote in a text" | "stray quote before an id" | "separator in a text":
            whole = json.dumps(row, ensure_ascii=False)
            _left_out(draft, place)
            return whole.replace("plain text", 'plain "text')
    return json.dumps(row, ensure_ascii=False)
