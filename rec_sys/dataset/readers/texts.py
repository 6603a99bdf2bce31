"""Written texts: without HTML, without what programs write where there is none."""

from __future__ import annotations

import html
import re
from decimal import Decimal
from typing import Any

from rec_sys.dataset.readers.identities import is_nothing

_BREAK = re.compile(r"<br\s*/?>|</(?:p|div|li|tr|h[1-6])\s*>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z!][^<>]*>")
_ENTITY = re.compile(r"&(?:#\d+|#x[0-9a-fA-F]+|[a-zA-Z]\w{1,30});")


def read_text(value: Any) -> str:
    """A text field: without HTML, null characters and white space around it; empty where it holds no text."""
    if isinstance(value, str):
        text = value
    elif isinstance(value, bytes):
        text = value.decode("utf-8", "replace")
    elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        text = str(value)
    else:
        return ""
    if "\0" in text:
        text = text.replace("\0", "")
    if "<" in text or "&" in text:
        text = without_html(text)
    text = text.strip()
    return "" if len(text) <= 9 and is_nothing(text) else text


def without_html(text: str) -> str:
    """A text without tags and with entities as letters; the ends of paragraphs become line ends."""
    if not (_TAG.search(text) or _ENTITY.search(text)):
        return text
    text = _no_tags(html.unescape(_no_tags(text)))  # twice: tags may be written as &lt;b&gt;
    return "\n".join(filter(None, (line.strip() for line in text.split("\n"))))


def _no_tags(text: str) -> str:
    if "<" not in text:
        return text
    for name in ("script", "style"):
        text = _without_element(text, name)
    return _TAG.sub(" ", _BREAK.sub("\n", text))


def _without_element(text: str, name: str) -> str:
    """The text without an element and all in it; in one pass, so that a hostile text costs no more than its length."""
    lower = text.lower()
    if f"<{name}" not in lower or len(lower) != len(text):
        return text
    kept, place = [], 0
    while (start := lower.find(f"<{name}", place)) >= 0 and (end := lower.find(f"</{name}", start)) >= 0:
        kept.append(text[place:start])
        place = lower.find(">", end) + 1 or len(text)
    return " ".join([*kept, text[place:]])


def on_one_line(text: str) -> str:
    """The text with single blanks for all white space."""
    return " ".join(text.split())
