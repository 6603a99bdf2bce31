"""The good table that all mutants start from: reviews with the values that go wrong most easily, and what they mean."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

DAY = 86_400
FIRST = int(datetime(2017, 3, 1, tzinfo=UTC).timestamp())
DAYS = 600
REVIEWS = 300

_ASCII = (
    "Ann", "Bob", "ann", "0001234", "0071", "user@example.com", "O'Brien", "Smith, John", "A1B2C3D4E5", "kt_99", "x",
    "Lee; Kim", "Null Smith", "12ab", "Max Q.", "b-52", "user_7", "R2", "7up", "Mary Ann Lou",
)  # fmt: skip
_NAMES = {
    "latin": ("José", "Josè", "Josë", "Müller Anna", "Zoë", "Françoise", "Núñez", "Søren", "Łukasz", "Žofie"),
    "western": ("José", "Josè", "Josë", "Müller Anna", "Zoë", "Françoise", "Núñez", "Søren", "Jürgen", "Inês"),
    "cyrillic": ("Анна", "Иван", "Иванна", "Пётр", "Петр", "Ольга К.", "Сергей", "Юлия", "Дмитрий", "Алёна"),
    "chinese": ("李小龙", "王芳", "王方", "张伟", "刘洋", "陈静", "杨光", "赵敏", "黄河", "周杰"),
    "korean": ("김철수", "이영희", "박지성", "최민수", "정우성", "강감찬", "조용필", "윤동주", "장보고", "임꺽정"),
    "polish": ("Łukasz", "Józef", "Żaneta", "Małgorzata", "Święty", "Paweł", "Grażyna", "Stanisław", "Michał", "Bożena"),
    "turkish": ("Ayşe", "Çağrı", "Gülşen", "Işık", "İsmail", "Ömer", "Şükrü", "Uğur", "Yağmur", "Özgür"),
    "japanese": ("田中", "佐藤花子", "鈴木", "高橋", "伊藤", "渡辺", "山本", "中村", "小林", "加藤さん"),
}
_TEXTS = {  # as written, and what it means where that differs
    "ascii": (
        ("Great pan, works as told", None),
        ('He said "great, really" and left', None),
        ('"Best" pan ever', None),
        ('not what I call "good"', None),
        ("first line\nsecond line, with a comma", None),
        ("three\n\nparagraphs\nof text", None),
        ("Tom &amp; Jerry&#39;s choice", "Tom & Jerry's choice"),
        ("good<br />cheap", "good\ncheap"),
        ("<p>fine</p><p>so so</p>", "fine\nso so"),
        ("5 < 6 and 7 > 3", None),
        ("semi; colon and pipe | here", None),
        ("it costs $5, 3 times", None),
        ("100% ok", None),
        ("'single' quotes, it's", None),
        ("ends with a backslash \\", None),
        ("long " + "and longer " * 60 + "end", None),
        ("A 12\" pan", None),
        ("ok :-)", None),
    ),
    "latin": (("Très bon café, déjà vu", None), ("Größe passt — naïve “quotes”", None), ("👍 super ✨", None)),
    "western": (("Très bon café, déjà vu", None), ("Größe passt, schöne Farbe", None), ("não é má opção", None)),
    "cyrillic": (
        ("Отличная сковорода, всем советую", None),
        ("Не понравилось, сломалась через неделю", None),
        ("Хорошее качество, быстрая доставка", None),
    ),
    "chinese": (
        ("质量很好，物流也很快", None),
        ("不太满意，颜色和图片不一样", None),
        ("性价比高，推荐购买", None),
    ),
    "korean": (
        ("정말 좋은 상품입니다. 추천합니다", None),
        ("배송이 늦어서 아쉬웠어요", None),
        ("색상이 사진과 다릅니다", None),
    ),
    "polish": (
        ("Bardzo dobra jakość, polecam każdemu", None),
        ("Nie działa, zepsuł się po tygodniu używania", None),
        ("Świetny produkt za niską cenę", None),
    ),
    "turkish": (
        ("Çok güzel bir ürün, herkese öneririm", None),
        ("Kargo geç geldi, kutu ezilmişti", None),
        ("Işığı çok güçlü değil ama iş görüyor", None),
    ),
    "japanese": (
        ("とても良い商品でした。また買います。", None),
        ("少し小さかったですが、満足しています。", None),
        ("すぐに壊れてしまいました。残念です。", None),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Review:
    """One review: what it means, and how its fields are written."""

    number: int
    user: str
    product: str
    stars: float | None  # 1 to 5
    seconds: int
    text: str  # what the written text means
    written: dict[str, object] = field(default_factory=dict)  # by field: user, product, rating, date, text and others
    precision: str = "second"  # or "day", "year", "order"
    left_out: bool = False  # nothing usable is in it
    may_be_left_out: bool = False  # it is damaged: kept whole, or left out
    texts: tuple[str, ...] = ()  # what a damaged text may be read as, beside `text`
    any_text: bool = False  # of a damaged text any part may be left
    is_many: bool = False  # the user is a name of many people
    repeats: bool = False  # it is there already

    def with_written(self, **values: object) -> Review:
        return replace(self, written={**self.written, **values})


def reviews(generator: random.Random, script: str) -> list[Review]:
    """A table in order of time.

    Args:
        generator: of everything random.
        script: of the names and texts beyond ASCII: latin (with signs of all kinds), western, cyrillic, chinese or
            japanese.
    """
    users = [*_ASCII, *_NAMES[script], *(f"u{number:03}" for number in range(10))]
    products = [*(f"B00{number:05X}" for number in range(9000, 9010)), *(f"{number:010}" for number in range(31_887, 31_894))]
    products += ["4006381333931", "SKU-1", "sku-1", "A/7", *_NAMES[script][-3:]]
    pairs = [(user, product) for user in users for product in products]
    chosen = generator.sample(pairs, REVIEWS)
    texts = _TEXTS["ascii"] + 3 * _TEXTS[script]
    moments = sorted(generator.sample(range(FIRST, FIRST + DAYS * DAY), REVIEWS))
    found = []
    for number, ((user, product), seconds) in enumerate(zip(chosen, moments, strict=True)):
        stars = generator.choices((1, 2, 3, 4, 5), (2, 1, 2, 5, 10))[0]
        raw, meaning = generator.choice(texts)
        meaning = raw if meaning is None else meaning
        empty = generator.random() < 0.05
        written = "" if empty else f"{number} {raw}"
        found.append(
            Review(
                number=number,
                user=user,
                product=product,
                stars=float(stars),
                seconds=seconds,
                text="" if empty else f"{number} {meaning}",
                written={"user": user, "product": product, "rating": stars, "date": iso(seconds), "text": written},
            )
        )
    return found


def iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def some(generator: random.Random, rows: Sequence[Review], share: float) -> set[int]:
    """Places of a share of the rows, at least one."""
    return set(generator.sample(range(len(rows)), max(1, round(share * len(rows)))))
