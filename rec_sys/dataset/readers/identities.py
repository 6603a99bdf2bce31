"""Whether an id stands for one person or product: lost letters and digits, words for nothing, names of many."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from typing import Any

from rec_sys.dataset.readers.rejects import Reason
from rec_sys.errors import DataError

LOST = "\ufffd"  # stands where a letter could not be read
MAX_EXACT = 2.0**53  # whole numbers beyond are not exact in a file of floats
EXCEL_DIGITS = 15  # Excel keeps as many
MAX_SHARE = 0.05  # of all reviews that one person may have written
FREQUENT = 50  # reviews below which nobody is too frequent
TIMES_USUAL = 20  # times the reviews of a usual person

# Words that programs write where there is nothing. `\\N` is never a name.
NOTHING = frozenset(
    ("null", "nil", "none", "nan", "na", "n/a", "#n/a", "<na>", "undefined", "(null)", "-", "--", "\\n")
)
# As programs spell them; "Null" and "Nan" are names of people too, "NA" a code.
_NEVER_A_NAME = frozenset(
    (
        *("NULL", "null", "nan", "NaN", "None", "none", "nil", "N/A", "n/a", "#N/A", "<NA>", "undefined", "(null)"),
        *("-", "--"),
    )
)

_COLLECTIVE = """
    a google user|google user|ein google nutzer|ein google-nutzer|un utilisateur de google|un usuario de google
    amazon customer|amazon kunde|amazon-kunde|client d'amazon|cliente amazon|cliente de amazon|amazon カスタマー
    kindle customer|anonymous|anonymous user|anonymous customer|anonym|anonymer nutzer|anonyme|anónimo|anonimo|anônimo
    anonymní|anoniem|anonim|аноним|анонимно|匿名|匿名用户|匿名用戶|匿名さん|名無し|名無しさん|익명
    guest|guest user|gast|invité|invitado|ospite|visitante|гость|ゲスト|unknown|unknown user|unbekannt|inconnu
    desconocido|sconosciuto|desconhecido|неизвестно|未知|deleted user|deleted|[deleted]|[removed]|gelöschter nutzer
    verified buyer|verified customer|verified purchaser|verifizierter käufer|customer|a customer|a user|user|kunde
    ein kunde|client|un client|cliente|walmart customer|target guest|ebay user|a tripadvisor member|steam user
    private user|no name|noname|n.n.|name withheld|not provided
"""
COLLECTIVE = frozenset(name.strip() for line in _COLLECTIVE.strip().splitlines() for name in line.split("|"))

_SCIENTIFIC = re.compile(r"[-+]?\d(?:[.,]\d+[eE]\+?|[eE]\+)\d{1,3}")  # "5e3" may be a code; nobody writes "5E+3"
_EDGES = "\u200b\u200e\u200f\ufeff\u2060 \t\r\n\x0b\x0c\xa0"


def read_id(value: Any) -> str | Reason:
    """The id that a value is, "" where it is none, or why it is not the one that was meant."""
    if isinstance(value, str):
        text = value
    elif isinstance(value, bool):
        return ""
    elif isinstance(value, int | Decimal):
        return str(value)
    elif isinstance(value, float):
        if math.isnan(value):
            return ""
        if abs(value) >= MAX_EXACT:
            return Reason.LOST_DIGITS
        return str(int(value)) if value.is_integer() else str(value)
    elif isinstance(value, bytes):
        text = value.decode("utf-8", "replace")
    else:
        return ""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
        if LOST in text:
            return Reason.LOST_LETTERS
    text = text.replace("\0", "").strip(_EDGES) if "\0" in text or not text.isalnum() else text
    if ("E" in text or "e" in text) and _SCIENTIFIC.fullmatch(text):
        return Reason.LOST_DIGITS
    return text


def is_nothing(text: str) -> bool:
    """Whether a text is a word for nothing."""
    return len(text) <= 9 and text.lower() in NOTHING


def is_collective(name: str) -> bool:
    """Whether a name is one that a shop shows for many people."""
    return len(name) <= 30 and name.casefold() in COLLECTIVE


class IdColumn:
    """Looks at the ids of a column, one after the other: how often each comes, and how nothing is written."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.empty = 0

    def add(self, value: Any) -> None:
        found = read_id(value)
        if isinstance(found, Reason):
            return
        if found:
            self.counts[found] += 1
        else:
            self.empty += 1

    def nothing(self, elsewhere: Collection[str], written_empty: bool) -> frozenset[str]:
        """The words that mean nothing in this column, as they are spelt.

        A word that is also a name, as it is spelt, is somebody's after all where the file writes nothing otherwise: as
        an empty field in this column, or in others while the word stands in none of them.

        Args:
            elsewhere: words for nothing that stand in other columns of the file.
            written_empty: whether other columns have empty fields.
        """
        words = {name for name in self.counts if is_nothing(name)}
        somebody = {
            word
            for word in words
            if word not in _NEVER_A_NAME and word.lower() != "\\n"
            if word not in elsewhere and (self.empty or written_empty)
        }
        return frozenset(words - somebody)


def too_frequent(counts: Mapping[str, int], max_share: float | None) -> dict[str, int]:
    """People that are many, with their reviews: by their name, or because nobody writes so much.

    Args:
        counts: reviews of each person.
        max_share: of all reviews that one person may have written; None: a usual one, 1: any.
    """
    if max_share == 1:
        return {}
    share = MAX_SHARE if max_share is None else max_share
    total = sum(counts.values())
    ordered = sorted(counts.values())
    usual = ordered[len(ordered) // 2] if ordered else 0
    least = max(share * total, FREQUENT, TIMES_USUAL * usual) if max_share is None else share * total
    return {
        name: count
        for name, count in counts.items()
        if (count > 1 and is_collective(name)) or (count > least and len(counts) > 1)
    }


def check_digits(ids: Iterable[str], what: str) -> None:
    """Refuse long whole numbers that all end in zeros: a spreadsheet has kept their first digits only.

    Raises:
        DataError: they do; the message names some.
    """
    long = [name for name in ids if len(name) > EXCEL_DIGITS and name.isdigit()]
    zeros = [name for name in long if name.endswith("0" * (len(name) - EXCEL_DIGITS))]
    if len(long) >= 3 and len(zeros) == len(long) and any(len(name) > EXCEL_DIGITS + 1 for name in long):
        raise DataError(
            f"the ids of the {what} end in zeros ({', '.join(sorted(zeros)[:3])}): a spreadsheet kept {EXCEL_DIGITS} "
            f"digits of each and made several of them one; export the column as text from where it comes"
        )
