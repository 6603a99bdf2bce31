"""Which encoding a text file is in, told by all its bytes: UTF-8 with or without a mark, UTF-16, or one of old times.

A wrong guess merges people whose names differ in one letter, so nothing is replaced before it is known. What is not
UTF-8 is told apart by `charset_normalizer`; among the encodings of Latin letters, which share most bytes, by how usual
the letters are that come out.
"""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from charset_normalizer import from_bytes

from rec_sys.errors import ConfigError, DataError

AUTO = "auto"
CHUNK = 1 << 20  # bytes
SAMPLE = 1 << 16  # bytes of lines beyond ASCII that are looked at
MAX_LINE = 1 << 16  # bytes of such a line that are looked at

# Letters beyond ASCII of languages with a Latin alphabet, in the order in which they are used; the later, the rarer.
_WESTERN = (
    "éèàêçîôùâûëïœÉÀÇ",  # French
    "üäößéÜÄÖ",  # German
    "óíáñéúü¿¡ºª",  # Spanish, Catalan
    "ãçéáêíóõàúâô",  # Portuguese
    "èàùòìéÈ",  # Italian
    "äåöøæéÅÄÖØÆ",  # of the North
    "áíéóöæðúþýÞ",  # Icelandic
    "éëïèöü£€",  # Dutch, English
)
_CENTRAL = (
    "łąęóżśćńźŁŚŻŹĆ",  # Polish
    "íáéěčžýřšůúťďňóľôŽŠČŘŤĽäĺŕ",  # Czech, Slovak
    "éáőöíüóúűÁÉÖÓÚ",  # Hungarian
    "ăîâşţŞŢÎ",  # Romanian
    "čšžćđČŠŽĆĐ",  # Croatian, Slovene
)
_LANGUAGES = {  # by encoding; the first of equals is taken
    "cp1252": _WESTERN,
    "cp1250": _CENTRAL,
    "cp1254": ("ıüşçğöİŞÇĞÜÖâîû",),  # Turkish
    "cp1257": ("ėšįųžąčūęŠŽČĮ", "āīēšņļžūčģķĀ", "äõüöšžÕ"),  # Baltic
    "iso8859_2": _CENTRAL,
    "mac_roman": _WESTERN,
    "cp850": _WESTERN,
    "cp852": _CENTRAL,
}
_SYMBOLS = "’“”„‘–—…€°«»™®©½²³×·"  # noqa: RUF001  of all languages, and rarer than letters
_LINE_END = re.compile(rb"\r*\n|\r+")
_ABSENT = -8.0  # log probability of a letter that a language does not have
# Encodings of other scripts, in which charset_normalizer does not err.
_OTHER_SCRIPTS = """
    gb18030 gbk gb2312 big5 big5hkscs cp950 cp932 shift_jis shift_jis_2004 shift_jisx0213 euc_jp euc_jis_2004
    euc_jisx0213 cp949 euc_kr johab cp1251 koi8_r koi8_u cp866 cp855 cp1125 mac_cyrillic iso8859_5 kz1048 ptcp154
    cp1253 iso8859_7 cp737 cp869 mac_greek cp1255 iso8859_8 cp862 cp424 cp1256 iso8859_6 cp864 cp720 cp874 tis_620
    iso8859_11
"""
_SURE = frozenset(_OTHER_SCRIPTS.split())
_EAST = ("cp949", "gb18030", "cp932", "euc_jp", "big5")  # the first of equals is taken
USUAL = 0.5  # share of the letters of a text that are usual ones
_ALIKE = {"gbk": "gb18030", "gb2312": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949", "cp1125": "cp866"}
_ALIKE |= dict.fromkeys(("shift_jis_2004", "shift_jisx0213"), "cp932")
_ALIKE |= dict.fromkeys(("euc_jis_2004", "euc_jisx0213"), "euc_jp")
_ALIKE |= dict.fromkeys(("big5hkscs", "cp950"), "big5")


@dataclass(frozen=True)
class Scan:
    """What all bytes of a text file show."""

    codec: str  # as Python calls it
    name: str  # as people call it
    lines: int  # physical lines, the last one also without a line end
    line_end: str  # "\n", also of files with "\r\n"; "\r" of old ones
    damaged: int  # lines with bytes that the encoding does not have


def scan(chunks: Iterable[bytes], again: Iterable[bytes], given: str = AUTO) -> Scan:
    """Read a text through.

    Args:
        chunks: its bytes.
        again: the same once more; read only where it is not UTF-8.
        given: its encoding, where it is known.

    Raises:
        ConfigError: there is no such encoding.
        DataError: the bytes are of no encoding that is known.
    """
    start = b""
    source = iter(chunks)
    for chunk in source:
        start = chunk
        break
    codec = codec_of(start, given)
    decoder = codecs.getincrementaldecoder(codec or "utf-8")()
    valid, newlines, returns, last = True, 0, 0, b""
    first_end = ""
    wide = codec is not None and codec.startswith("utf_16")
    for chunk in _chain(start, source):
        if valid:
            try:
                text = decoder.decode(chunk)
            except UnicodeError:
                valid = False
            else:
                if wide:
                    chunk = text.encode("utf-8", "replace")
        first_end = first_end or _first_end(chunk)
        newlines += chunk.count(b"\n")
        returns += chunk.count(b"\r")
        last = chunk[-1:] or last
    try:
        if valid:
            decoder.decode(b"", final=True)
    except UnicodeError:
        valid = False
    end = "\r" if first_end == "\r" or (not newlines and returns) else "\n"
    lines = (returns if end == "\r" else newlines) + (last not in (b"", end.encode()))
    if valid:
        return Scan(codec or "utf_8", _name(codec or "utf_8"), lines, end, 0)
    sample = _beyond_ascii(again, end.encode())
    if codec is None:
        codec = "utf_8" if _mostly_utf_8(sample) else detect(b"".join(sample))
    damaged = sum(_decoded(line, codec) is None for line in sample)
    return Scan(codec, _name(codec), lines, end, damaged)


def codec_of(start: bytes, given: str = AUTO) -> str | None:
    """The codec that is given or told by the first bytes; None for bytes like ASCII, which all of them must tell.

    Raises:
        ConfigError: the one given is none.
    """
    return _given(given) if given != AUTO else _of_mark(start)


def detect(sample: bytes) -> str:
    """The codec of bytes that are no UTF-8.

    Raises:
        DataError: no encoding fits.
    """
    for match in from_bytes(sample):  # the best first
        if match.encoding not in _SURE:
            break
        found = str(_ALIKE.get(match.encoding, match.encoding))
        if found not in _EAST:
            return found
        if eastern := _of_the_east(sample):
            return eastern
    scores = {codec: score for codec in _LANGUAGES if (score := _score(sample, codec)) is not None}
    if not scores:
        raise DataError(
            "the text is in no encoding that is known; save it as UTF-8, or say which it is with data.encoding=cp1252"
        )
    return max(scores, key=lambda codec: scores[codec])


def _of_the_east(sample: bytes) -> str:
    """Of the encodings with two bytes to a letter the one whose letters are usual ones; they share most bytes."""
    usual = {codec: share for codec in _EAST if (share := _usual_share(sample, codec)) is not None}
    best = max(usual, key=lambda codec: usual[codec], default="")
    return best if usual.get(best, 0) > USUAL else ""


def _usual_share(sample: bytes, codec: str) -> float | None:
    """The share of letters beyond ASCII that people write daily; None where the bytes are of another encoding."""
    text = _decoded(sample, codec)
    if text is None:
        return None
    letters = [letter for letter in text if letter > "\x7f" and letter.isalpha()]
    kana = sum("\u3041" <= letter <= "\u30ff" for letter in letters)
    hangul = sum("\uac00" <= letter <= "\ud7a3" for letter in letters)
    if not letters or (codec in ("cp932", "euc_jp") and kana < 0.1 * len(letters)):
        return 0.0
    if codec == "cp949":
        return sum(_is_first(letter, "euc_kr", 0xB0, 0xC8) for letter in letters) / len(letters) * (hangul > kana)
    if codec in ("gb18030", "big5"):
        first, last, own = (0xB0, 0xD7, "gb2312") if codec == "gb18030" else (0xA4, 0xC6, "big5")
        return sum(_is_first(letter, own, first, last) for letter in letters) / len(letters)
    kanji = sum(_is_first(letter, "euc_jp", 0xB0, 0xCF) for letter in letters)
    more = 0.2 if kana > 0.3 * len(letters) else 0.0  # whoever has these has nothing else
    return (kana + kanji) / len(letters) + more


@lru_cache(maxsize=16_384)
def _is_first(letter: str, codec: str, first: int, last: int) -> bool:
    """Whether a letter stands in the part of a set of letters that holds the usual ones."""
    try:
        return first <= letter.encode(codec)[0] <= last
    except UnicodeError:
        return False


def _score(sample: bytes, codec: str) -> float | None:
    """The log probability of the letters beyond ASCII, each line in the language that suits it best."""
    text = _decoded(sample, codec)
    if text is None:
        return None
    languages = [_probabilities(letters) for letters in _LANGUAGES[codec]]
    lines = [[letter for letter in line if letter > "\x7f"] for line in text.split("\n")]
    return sum(
        max(sum(language.get(letter, _ABSENT) for letter in line) for language in languages) for line in lines if line
    )


@lru_cache
def _probabilities(letters: str) -> dict[str, float]:
    weights = {letter: 1 / (place + 2) for place, letter in enumerate(letters)}
    weights |= dict.fromkeys(_SYMBOLS, 0.01)
    total = sum(weights.values())
    return {letter: math.log(weight / total) for letter, weight in weights.items()}


def _decoded(sample: bytes, codec: str) -> str | None:
    try:
        return sample.decode(codec)
    except UnicodeError:
        return None


def _given(name: str) -> str:
    try:
        codec = codecs.lookup(name).name
        "a".encode(codec)
    except (LookupError, UnicodeError, AttributeError, TypeError, AssertionError):
        raise ConfigError(
            f"data.encoding={name}: there is no such encoding; give utf-8, utf-16, cp1252, cp1251, gb18030, shift_jis "
            f"or another, or auto"
        ) from None
    own = {"utf-8": "utf_8_sig", "utf-16": "utf_16", "utf-16-le": "utf_16_le", "utf-16-be": "utf_16_be"}
    return own.get(codec, codec)


def _of_mark(start: bytes) -> str | None:
    """The codec told by the first bytes: a byte order mark, or every second byte zero; None: ASCII-like."""
    if start.startswith(codecs.BOM_UTF8):
        return "utf_8_sig"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf_16"
    head = start[:4096]
    even, odd = head[0::2].count(0), head[1::2].count(0)  # blanks, digits and line ends are ASCII in every language
    wide = b"\n\0" in head or b"\0\n" in head or 0 in head[:2]
    if wide and max(even, odd) > 0.03 * len(head) and min(even, odd) < 0.1 * max(even, odd):
        return "utf_16_le" if odd > even else "utf_16_be"
    return None


def _first_end(chunk: bytes) -> str:
    """The first line end of a text; that of Unix also for both, "" where there is none."""
    found = _LINE_END.search(chunk)
    return "" if found is None else "\n" if b"\n" in found[0] else "\r"


def _beyond_ascii(chunks: Iterable[bytes], line_end: bytes) -> list[bytes]:
    """Lines that hold bytes beyond ASCII, about SAMPLE bytes of them."""
    found: list[bytes] = []
    size, rest = 0, b""
    for chunk in chunks:
        lines = (rest + chunk).split(line_end)
        rest = lines.pop()[-MAX_LINE:]
        for line in lines:
            if not line.isascii():
                found.append(line[:MAX_LINE] + line_end)
                size += len(found[-1])
        if size > SAMPLE:
            return found
    return [*found, rest] if rest and not rest.isascii() else found


def _mostly_utf_8(lines: list[bytes]) -> bool:
    """Whether half of the lines beyond ASCII are UTF-8, which bytes of another encoding hardly ever are by chance."""
    return 2 * sum(_decoded(line, "utf_8") is not None for line in lines) >= len(lines)


def _name(codec: str) -> str:
    names = {"utf_8": "UTF-8", "utf_8_sig": "UTF-8 with a mark", "gb18030": "GB18030 (GBK)"}
    names |= {"utf_16": "UTF-16", "utf_16_le": "UTF-16", "utf_16_be": "UTF-16"}
    names |= {"cp949": "EUC-KR (cp949)", "cp932": "Shift-JIS (cp932)"}
    return names.get(codec, codec)


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest
