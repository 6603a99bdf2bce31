"""Mutations of everything but dates and ratings: columns, ids, order, encodings, line ends, lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from benchmarks.mutants_files import CONTAINERS, DELIMITED, IN_LINES, JSON, SEPARATORS
from benchmarks.mutants_lines import BROKEN
from benchmarks.mutants_table import Draft, good_draft, some
from benchmarks.mutants_values import mutate_dates, mutate_ratings

ENCODINGS = {  # and the language of a file in it
    "utf-8": "mixed",
    "utf-8-sig": "mixed",
    "utf-16": "mixed",
    "cp1252": "western",
    "cp1251": "cyrillic",
    "gb18030": "chinese",
    "shift_jis": "japanese",
}
_NAMES = {  # user, product, rating, time, text
    "camelCase": "userId productId rating timestamp text",
    "capitals": "USER_ID PRODUCT_ID RATING TIMESTAMP TEXT",
    "words": "User ID|Product ID|Rating|Timestamp|Text",
    "dashes": "user-id product-id rating time-stamp text",
    "blanks around": " user_id | product_id | rating | timestamp | text ",
    "shop": "customer_id sku stars date comment",
    "Amazon": "reviewerID asin overall reviewTime reviewText",
    "Amazon 2023": "user_id parent_asin rating timestamp text",
    "SQL": "user_id product_id rating created_at review_text",
    "author": "author product score created_at body",
    "Judge.me": "reviewer_name product_handle rating review_date body",
    "WooCommerce": "reviewer product_id rating date_created review",
    "German": "Kunde Artikelnummer Sterne Datum Kommentar",
    "French": "client article note date commentaire",
    "Chinese": "用户ID 商品ID 评分 日期 评论",
    "Russian": "Пользователь Товар Оценка Дата Отзыв",
    "dots": "reviews.username asins reviews.rating reviews.date reviews.text",
}
_UNKNOWN = "a b c d e"


def mutate_names(draft: Draft) -> str:
    which = draft.rng.choice((*_NAMES, "unknown", "one unknown"))
    if "clock" in draft.names:
        which = "capitals"
        draft.names |= {key: name.upper() for key, name in draft.names.items()}
        return which
    named = [column for column in ("user", "product", "rating", "time", "text") if column in draft.rows[0]]
    if which == "one unknown":
        column = draft.rng.choice([each for each in named if each != "text"])
        draft.names[column] = "qwx"
        draft.refusals.append("column|data.columns")
        draft.unrated.append("qwx")
        return f"{which}: {column}"
    names = (_NAMES.get(which) or _UNKNOWN).split("|" if "|" in _NAMES.get(which, "") else " ")
    if which == "unknown":
        draft.refusals.append("column")
    draft.names |= dict(zip(("user", "product", "rating", "time", "text"), names, strict=True))
    return which


def mutate_columns(draft: Draft) -> str:
    """Other columns beside the known ones, and another order."""
    which = draft.rng.choice(("shuffled", "reversed", "ids and votes", "a title", "an email", "a later date", "empty"))
    if which == "an email" and not all(truth.kept for truth in draft.truth):
        which = "a later date"
    people = {name: place for place, name in enumerate(_people(draft))}
    for place, row in enumerate(draft.rows):
        if which == "ids and votes":
            row |= {"id": place + 1, "helpful_votes": draft.rng.randint(0, 9), "verified": place % 3 > 0}
        elif which == "a title":
            title = draft.rng.choice(("Fine", "So so", "Really: good"))
            row["title"] = title
            draft.change(place, {}, text=f"{title}\n{draft.truth[place].text}")
        elif which == "an email":
            row["email"] = f"{people[row['user']]}@shop.example"
            draft.change(place, {}, alternative=row["email"])
        elif which == "a later date":
            row["updated_at"] = "2021-05-05"
        elif which == "empty":
            row |= {"remark": "", "internal": None if draft.container in JSON else ""}
    columns = list(dict.fromkeys(name for row in draft.rows for name in row))
    if which == "reversed":
        columns.reverse()
    else:
        draft.rng.shuffle(columns)
    draft.column_order = columns
    return which


def mutate_order(draft: Draft) -> str:
    which = draft.rng.choice(("newest first", "shuffled", "by person", "by product"))
    places = list(range(len(draft.rows)))
    if which == "shuffled":
        draft.rng.shuffle(places)
    elif which == "newest first":
        places.reverse()
    else:
        places.sort(key=lambda place: draft.rows[place]["user" if which == "by person" else "product"])
    draft.arrange(places)
    return which


def mutate_ids(draft: Draft) -> str:
    kinds = ("people lost digits", "some lost digits", "zeros at the end", "long numbers", "nothing in words")
    more = ("nothing at all", "collective", "a person called Null", "lost digits, comma", "numbers", "floats")
    which = draft.rng.choice((*kinds, *more, "blanks around", "lost letters"))
    numbers = {name: 76_561_190_000_000_000 + 7_919 * place for place, name in enumerate(_people(draft))}
    for place, row in enumerate(draft.rows):
        number = numbers[row["user"]]
        if which in ("people lost digits", "lost digits, comma"):
            shown = f"{number:.5E}"
            draft.change(place, {"user": shown if "comma" not in which else shown.replace(".", ",")}, kept=False)
        elif which == "zeros at the end":
            draft.change(place, {"user": str(number // 100 * 100)}, kept=False)
        elif which == "long numbers":
            long = number * 10_007
            draft.change(place, {"user": long if draft.container in JSON else str(long)}, user=str(long))
        elif which == "numbers":
            draft.change(place, {"user": number % 1_000_003}, user=str(number % 1_000_003))
        elif which == "floats":
            short = str(number % 1_000_003)
            as_written = f"{short}.0" if draft.container in DELIMITED else short  # a text is an id as it stands
            draft.change(place, {"user": float(short)}, user=as_written)
        elif which == "blanks around":
            draft.change(place, {"user": f" {row['user']}\xa0" if draft.encoding == "utf-8" else f" {row['user']} "})
    if which in ("people lost digits", "lost digits, comma", "zeros at the end"):
        draft.refusals.append("digits")
    if which == "some lost digits":
        for place in some(draft, 3):
            draft.change(place, {"user": "7.65612E+16"}, kept=False)
    if which == "lost letters" and draft.encoding.startswith("utf"):
        for place in some(draft, 3):
            draft.change(place, {"user": f"Jos\ufffd{place}"}, kept=False)
    if which in ("nothing in words", "nothing at all"):
        word = draft.rng.choice(("NULL", "null", "None", "NaN", "nan", "N/A", "-", "\\N", "undefined", "(null)"))
        for place in some(draft, 12):
            who = draft.rng.choice(("user", "product"))
            draft.change(place, {who: word if which == "nothing in words" else ""}, kept=False)
    if which == "collective":
        name = draft.rng.choice(("Anonymous", "A Google User", "Amazon Customer", "Guest", "anonymous"))
        for place in some(draft, 80):
            draft.change(place, {"user": name}, user=f"{name} #")
    if which == "a person called Null":
        places = some(draft, 12)
        for place in places[:6]:
            draft.change(place, {"user": ""}, kept=False)
        for place in places[6:]:
            own = f"own text {place}"  # one person now: equal texts of two would be a repetition
            draft.change(place, {"user": "Null", "text": own}, user="Null", text=own)
    return which


def _people(draft: Draft) -> list[str]:
    return list(dict.fromkeys(row["user"] for row in draft.rows))


def mutate_repeats(draft: Draft) -> str:
    which = draft.rng.choice(("some rows twice", "some rows in a row", "same day, other text"))
    for place in reversed(some(draft, 15)):
        row, truth = dict(draft.rows[place]), draft.truth[place]
        if which == "same day, other text":
            row["text"] = f"another text {place}"
            truth = replace(truth, text=row["text"])
        if which != "same day, other text" or not truth.user.endswith(" #"):  # names of many may be two
            truth = replace(truth, kept=False)
        to = place + 1 if which != "some rows twice" else len(draft.rows)
        draft.rows.insert(to, row)
        draft.truth.insert(to, truth)
    return which


def mutate_encoding(draft: Draft) -> str:
    draft.refusals.append("encoding")
    return draft.encoding


def mutate_line_ends(draft: Draft) -> str:
    kinds = {
        "CR LF": ("\r\n", "\r\n"),
        "CR LF, inside LF": ("\r\n", "\n"),
        "CR": ("\r", "\r"),
        "CR, inside LF": ("\r", "\n"),
        "LF, inside CR LF": ("\n", "\r\n"),
        "no last end": ("\n", "\n"),
        "blank lines": ("\n", "\n"),
    }
    which = draft.rng.choice([kind for kind in kinds if draft.container in DELIMITED or not kind.startswith("CR,")])
    draft.line_end, draft.inner_end = kinds[which]
    draft.last_end = which != "no last end"
    draft.blank_lines = which == "blank lines" and draft.container in DELIMITED
    if which.startswith("CR,"):
        draft.refusals.append("line end|carriage|CR")
    return which


def mutate_lines(draft: Draft) -> str:
    if draft.container in IN_LINES:
        kinds = [kind for kind in BROKEN if kind != "separator in a text" or "minimal" in draft.container]
        draft.broken = draft.rng.choice(kinds)
        if draft.line_end == "\r" and draft.container == "json lines":  # read as objects one after another
            draft.refusals.append("no JSON at entry|goes on after its end")
        return draft.broken
    draft.broken = "cut"
    draft.refusals.append("cut off|no JSON|copy or download")
    return "document cut"


def mutate_head(draft: Draft) -> str:
    """Lines above the header, or none."""
    which = draft.rng.choice(("no header", "title above", "sep= above"))
    separator = SEPARATORS[draft.container.split()[1]]
    if which == "no header":
        draft.header = False
        draft.refusals.append("header|columns")
    elif which == "title above":
        draft.above = ["Reviews of the tea shop", ""]
        draft.refusals.append("columns|header")
    else:
        draft.above = [f"sep={separator}"]
    return which


def mutate_packing(draft: Draft) -> str:
    draft.packed = True
    if draft.rng.random() < 0.2:
        draft.cut_packed = True
        draft.refusals.append("cut off|damaged")
        return "gzip, cut"
    return "gzip"


# In the order in which they are done; the rows first, then how they are written.
MUTATIONS: dict[str, Callable[[Draft], str]] = {
    "dates": mutate_dates,
    "ratings": mutate_ratings,
    "ids": mutate_ids,
    "order": mutate_order,
    "repeats": mutate_repeats,
    "names": mutate_names,
    "columns": mutate_columns,
    "encoding": mutate_encoding,
    "line ends": mutate_line_ends,
    "broken line": mutate_lines,
    "head": mutate_head,
    "packing": mutate_packing,
}
_ONLY: dict[str, tuple[str, ...]] = {  # containers in which a mutation can be
    "encoding": (*DELIMITED, *JSON),
    "line ends": IN_LINES,
    "broken line": (*DELIMITED, *JSON),
    "head": tuple(each for each in DELIMITED if "colons" not in each),
    "packing": (*DELIMITED, *JSON),
}


def mutant(seed: int, number: int) -> Draft:
    """One mutant; the same for the same numbers."""
    rng = Random(f"{seed}:{number}")
    container = rng.choice(CONTAINERS)
    possible = [name for name in MUTATIONS if container in _ONLY.get(name, CONTAINERS)]
    chosen = set(rng.sample(possible, rng.randint(1, 3)))
    encoding = rng.choice(tuple(ENCODINGS)) if "encoding" in chosen else "utf-8"
    draft = good_draft(rng, ENCODINGS[encoding])
    draft.container, draft.encoding = container, encoding
    for name, mutate in MUTATIONS.items():
        if name in chosen:
            draft.mutations.append(f"{name}: {mutate(draft)}")
    if not _encodable(draft):
        draft.encoding = "utf-8"
    return draft


def _encodable(draft: Draft) -> bool:
    held = [value for row in draft.rows for value in row.values() if isinstance(value, str)]
    try:
        "".join((*draft.names.values(), *held)).encode(draft.encoding)
    except UnicodeEncodeError:
        return False
    return True
