"""Which encoding a text file is in, told by all its bytes: UTF-8 with or without a mark, UTF-16, or one of old times.

A wrong guess merges people whose names differ in one letter, so nothing is replaced before it is known. What is not
UTF-8 is told apart by how usual the letters are that come out; `charset_normalizer` is asked where they are of no
language that is known here.
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
_FIRST_END = re.compile(rb"\r+\n|\r|\n")  # of lines, which tells it of all: the others may stand inside quotes
_ABSENT = -8.0  # log probability of a letter that a language does not have
_CYRILLIC = (
    "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъёОЕАИНТСРВЛКМДПУЯГЗБЧХЖШЮЦЩЭФЫЬЙЪЁ",  # Russian, Bulgarian
    "оаинвірестлкудмпзяьбгйчхцїжюшщфєґОАИНВІРЕСТЛКУДМПЗЯЬБГЙЧХЦЇЖЮШЩФЄҐ",  # Ukrainian
    "аоиенјрстувкдмплзгбчцшжњћхђљфџАОИЕНЈРСТУВКДМПЛЗГБЧЦШЖЊЋХЂЉФЏ",  # Serbian
)
_GREEK = ("αοιετσνηυρπκμλωςγδάθίήέόχφβύξώζψϊϋΑΟΙΕΤΣΝΗΥΡΠΚΜΛΩΓΔΆΘΊΉΈΌΧΦΒΎΞΏΖΨ",)
_HEBREW = ("יולהאמרתשבנעםדחקפגכטצןזסךףץ",)
_ARABIC = ("ايلمونرتبةعدسفهكقأحجشطصخىذئزإءضغؤظثآ،؟",)
_LATIN = frozenset(_LANGUAGES)
_ALPHABETS = {  # the languages of each encoding with a byte per letter; the first of equals is taken
    **_LANGUAGES,
    **dict.fromkeys(("cp1251", "koi8_r", "koi8_u", "cp866", "cp855", "mac_cyrillic", "iso8859_5"), _CYRILLIC),
    **dict.fromkeys(("cp1253", "iso8859_7", "cp737", "cp869", "mac_greek"), _GREEK),
    **dict.fromkeys(("cp1255", "iso8859_8", "cp862"), _HEBREW),
    **dict.fromkeys(("cp1256", "iso8859_6", "cp720"), _ARABIC),
}
_MIXED_WORD = re.compile(r"[a-zA-Z](?=[^\W\d_a-zA-Z])|[^\W\d_a-zA-Z](?=[a-zA-Z])")
# Encodings of the east: a national set, and the share of a text that the signs of its rows have, with their number.
_Parts = tuple[str, tuple[tuple[range, float, int], ...]]
_JAPANESE: _Parts = (
    "euc_jp",
    (
        (range(0xA1, 0xA2), 0.05, 40),
        (range(0xA3, 0xA4), 0.02, 62),
        (range(0xA4, 0xA5), 0.45, 83),
        (range(0xA5, 0xA6), 0.13, 86),
        (range(0xB0, 0xD0), 0.35, 2965),
    ),
)
_CHINESE: _Parts = (
    "gb2312",
    ((range(0xA1, 0xA2), 0.05, 40), (range(0xA3, 0xA4), 0.05, 94), (range(0xB0, 0xD8), 0.9, 3755)),
)
_KOREAN: _Parts = (
    "euc_kr",
    ((range(0xA1, 0xA2), 0.03, 40), (range(0xA3, 0xA4), 0.03, 94), (range(0xB0, 0xC9), 0.94, 2350)),
)
_TAIWANESE: _Parts = ("big5", ((range(0xA1, 0xA4), 0.06, 60), (range(0xA4, 0xC7), 0.94, 5401)))
_EASTERN = {"cp932": _JAPANESE, "euc_jp": _JAPANESE, "gb18030": _CHINESE, "cp949": _KOREAN, "big5": _TAIWANESE}
_RARE = frozenset(("johab", "cp874", "tis_620", "iso8859_11", "kz1048", "ptcp154", "big5hkscs", "cp864", "cp1258"))
UNLIKELY = -7.0  # log probability of a byte beyond ASCII below which the letters are of no language that is known
_ASCII_BYTES = bytes(range(128))
BY_CHANCE = 0.03  # share of lines of an encoding of the east that may be UTF-8 by chance, if they are not short
BY_CHANCE_OF_BYTES = 0.1  # of lines of an encoding with a byte per letter


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
    lenient = codecs.getincrementaldecoder(codec or "utf-8")("replace")
    valid, newlines, returns, last, end = True, 0, 0, b"", ""
    wide = codec is not None and codec.startswith("utf_16")
    for chunk in _chain(start, source):
        if valid:
            try:
                decoder.decode(chunk)
            except UnicodeError:
                valid = False
        if wide:
            chunk = lenient.decode(chunk).encode("utf-8", "replace")
        if not end and (first := _FIRST_END.search(chunk)):
            end = "\r" if first[0] == b"\r" else "\n"
        newlines += chunk.count(b"\n")
        returns += chunk.count(b"\r") if end == "\r" else 0
        last = chunk[-1:] or last
    if wide:
        last = lenient.decode(b"", final=True).encode("utf-8", "replace")[-1:] or last
    try:
        if valid:
            decoder.decode(b"", final=True)
    except UnicodeError:
        valid = False
    end = end or "\n"
    lines = (returns if end == "\r" else newlines) + (last not in (b"", end.encode()))
    if valid:
        return Scan(codec or "utf_8", _name(codec or "utf_8"), lines, end, 0)
    sample = _beyond_ascii(again, end.encode())
    if codec is None:
        codec = "utf_8" if _mostly_utf_8(sample) else detect(b"".join(sample))
        if codec not in _EASTERN and _share_of_utf_8(sample) > BY_CHANCE_OF_BYTES:
            codec = "utf_8"  # two encodings: the letters of the other one are lost, and said to be
    damaged = sum(_decoded(line, codec) is None for line in sample)
    return Scan(codec, _name(codec), lines, end, damaged)


def codec_of(start: bytes, given: str = AUTO) -> str | None:
    """The codec that is given or told by the first bytes; None for bytes like ASCII, which all of them must tell.

    Raises:
        ConfigError: the one given is none.
    """
    return _given(given) if given != AUTO else _of_mark(start)


def detect(sample: bytes) -> str:
    """The codec of bytes that are no UTF-8: the one in which they are likeliest to be written.

    Raises:
        DataError: no encoding fits.
    """
    scores: dict[str, float] = {}
    for codec, languages in _ALPHABETS.items():
        if (text := _decoded(sample, codec)) is not None:
            scores[codec] = _score(text, languages, latin=codec in _LATIN)
    for codec, parts in _EASTERN.items():
        if (text := _decoded(sample, codec)) is not None:
            scores[codec] = sum(_of_sign(sign, parts) for sign in text if sign > "\x7f")
    likeliest = max(scores, key=lambda codec: scores[codec], default="")
    if likeliest and scores[likeliest] > UNLIKELY * len(sample.translate(None, _ASCII_BYTES)):
        return likeliest
    best = from_bytes(sample).best()
    if best is not None and best.encoding in _RARE:
        return str(best.encoding)
    if not likeliest:
        raise DataError(
            "the text is in no encoding that is known; save it as UTF-8, or say which it is with data.encoding=cp1252"
        )
    return likeliest


def _score(text: str, languages: tuple[str, ...], latin: bool) -> float:
    """The log probability of the letters beyond ASCII, each line in the language that suits it best.

    Letters of other alphabets do not stand beside Latin ones in a word.
    """
    known = [_probabilities(letters) for letters in languages]
    total = 0.0
    for line in text.split("\n"):
        letters = [letter for letter in line if letter > "\x7f"]
        if letters:
            total += max(sum(language.get(letter, _ABSENT) for letter in letters) for language in known)
            total += 0 if latin else _ABSENT * len(_MIXED_WORD.findall(line))
    return total


@lru_cache
def _probabilities(letters: str) -> dict[str, float]:
    weights = {letter: 1 / (place + 2) for place, letter in enumerate(letters)}
    weights |= dict.fromkeys(_SYMBOLS, 0.01)
    total = sum(weights.values())
    return {letter: math.log(weight / total) for letter, weight in weights.items()}


@lru_cache(maxsize=65_536)
def _of_sign(sign: str, parts: _Parts) -> float:
    """The log probability of a sign: that of its part of a national set, shared by all signs of the part."""
    national, shares = parts
    try:
        row = sign.encode(national)[0]
    except UnicodeError:
        return 2 * _ABSENT
    return next((math.log(share / size) for rows, share, size in shares if row in rows), 2 * _ABSENT)


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
    """Whether half of the lines beyond ASCII are UTF-8, or some of those that are so by no chance: two encodings."""
    telling = [line for line in lines if _is_telling(line)]
    return _share_of_utf_8(lines) >= 0.5 or _share_of_utf_8(telling) > BY_CHANCE


def _share_of_utf_8(lines: list[bytes]) -> float:
    return sum(_decoded(line, "utf_8") is not None for line in lines) / max(len(lines), 1)


def _is_telling(line: bytes) -> bool:
    return len(line.translate(None, _ASCII_BYTES)) >= 6


def _name(codec: str) -> str:
    names = {"utf_8": "UTF-8", "utf_8_sig": "UTF-8 with a mark", "gb18030": "GB18030 (GBK)"}
    names |= {"utf_16": "UTF-16", "utf_16_le": "UTF-16", "utf_16_be": "UTF-16"}
    names |= {"cp949": "EUC-KR (cp949)", "cp932": "Shift-JIS (cp932)"}
    return names.get(codec, codec)


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest
