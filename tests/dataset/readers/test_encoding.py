"""Encodings: whatever a spreadsheet writes comes back letter by letter, or is asked for."""

from __future__ import annotations

import pytest

from rec_sys.dataset.readers.encoding import Scan, scan
from rec_sys.errors import ConfigError

TEXTS = {
    "western": "José,thé n°3,Très bon, déjà racheté\nJosè,Ça marche très bien\nJosë,für täglich, Größe\nMuñoz,piña\n",
    "polish": "Łukasz,herbata,Bardzo dobra jakość\nŻaneta,świeca,Szybka wysyłka, źle\n",
    "czech": "Jiří,čaj zelený,Velmi dobrý\nŽaneta,svíčka,rychlé doručení\n",
    "hungarian": "Gábor,zöld tea,Nagyon jó minőség\nErzsébet,cukor,gyors szállítás, fűszer\n",
    "turkish": "Ayşe,yeşil çay,Çok güzel bir ürün\nİbrahim,şeker,hızlı kargo\n",
    "russian": "Иван,чай зелёный,Очень хороший чай\nМария,кофе,Не понравилось, горький вкус\n",
    "greek": "Γιώργος,πράσινο τσάι,Πολύ καλό προϊόν\nΜαρία,καφές,γρήγορη αποστολή\n",
    "chinese": "王伟,玻璃茶壶,一般，没有特别\n李娜,抹茶粉,非常满意，会再次购买\n",
    "taiwanese": "王偉,玻璃茶壺,一般，沒有特別\n李娜,抹茶粉,非常滿意，會再次購買\n",
    "japanese": "田中,緑茶,とても良いです。また買います\n鈴木,コーヒー,普通でした\n",
    "korean": "김철수,녹차,아주 좋아요 다시 살게요\n이영희,커피,보통이에요\n",
}
ENCODED = [
    *[("western", codec) for codec in ("utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1", "mac_roman", "cp850")],
    *[("polish", codec) for codec in ("utf-8", "cp1250", "iso8859_2")],
    *[("czech", "cp1250"), ("hungarian", "cp1250"), ("turkish", "cp1254"), ("greek", "cp1253")],
    *[("russian", codec) for codec in ("utf-16-le", "utf-16-be", "cp1251", "koi8_r", "cp866")],
    *[("chinese", codec) for codec in ("gbk", "gb18030", "utf-16")],
    *[("taiwanese", "big5"), ("japanese", "shift_jis"), ("japanese", "euc_jp"), ("korean", "cp949")],
]


def scanned(raw: bytes, encoding: str = "auto", size: int = 7) -> Scan:
    chunks = [raw[start : start + size] for start in range(0, len(raw), size)]
    return scan(chunks[:1] and [b"".join(chunks)], [raw], encoding) if size == 0 else scan([raw], [raw], encoding)


@pytest.mark.parametrize(("language", "codec"), ENCODED)
@pytest.mark.parametrize("times", [1, 50])
def test_every_letter_comes_back(language: str, codec: str, times: int) -> None:
    text = "user,item,comment\n" + TEXTS[language] * times
    found = scanned(text.encode(codec))
    assert text.encode(codec).decode(found.codec).removeprefix("\ufeff") == text
    assert (found.lines, found.damaged) == (text.count("\n"), 0)


def test_chunks_may_end_within_a_letter() -> None:
    raw = ("ü" * 101 + "\n").encode()
    assert scan([raw[:3], raw[3:50], raw[50:]], [raw]) == Scan("utf_8", "UTF-8", 1, "\n", 0)


def test_one_damaged_line_does_not_make_another_encoding_of_a_file() -> None:
    raw = "Müller,a\n".encode() * 10 + b"Jos\xe9,b\n"
    found = scanned(raw)
    assert (found.codec, found.damaged) == ("utf_8", 1)


@pytest.mark.parametrize(
    ("raw", "lines", "end"),
    [(b"a\nb\n", 2, "\n"), (b"a\nb", 2, "\n"), (b"a\r\nb\r\n", 2, "\n"), (b"a\rb\r", 2, "\r"), (b"a\n\n\n", 3, "\n")],
)
def test_physical_lines(raw: bytes, lines: int, end: str) -> None:
    found = scanned(raw)
    assert (found.lines, found.line_end) == (lines, end)


def test_a_given_encoding_overrules() -> None:
    raw = "Łódź\n".encode("cp1250")
    assert raw.decode(scanned(raw, "cp1250").codec) == "Łódź\n"
    assert scanned("ü\n".encode(), "latin-1").codec == "iso8859-1"
    with pytest.raises(ConfigError, match=r"data\.encoding=utf-9"):
        scanned(raw, "utf-9")
    with pytest.raises(ConfigError, match=r"data\.encoding=base64"):
        scanned(raw, "base64")
