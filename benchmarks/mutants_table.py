"""A good table of reviews in five scripts, as a file would hold it and as it must come out of the reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

START = 1_519_900_000  # seconds since 1970: 2018-03-01, in the morning
DAY = 86_400
SPAN = 600  # days between the first review and the last
FIELDS = ("user", "product", "rating", "time", "text")

NAMES = {"user": "user_id", "product": "product_id", "rating": "rating", "time": "timestamp", "text": "text"}

_PEOPLE = {
    "mixed": "José|Josè|Josë|Žofie Nováková|王小明|王小朋|佐藤花子|Нина Петрова|Ann O'Neil|anna|Anna|ANNA|Müller, K.|"
    "00731|0731|731|1e5|7E12|A1B2C3|x_y-z|a@b.example|Ann Lee|Zoë|Łukasz|Ærø",
    "western": "José|Josè|Josë|Müller, K.|Käthe Groß|Zoë|Élodie|Ann O'Neil|00731|0731|François|Jürgen|René|Renè|Begoña",
    "cyrillic": "Нина Петрова|Нина Петрово|Иван|Ольга Ким|Сергей|00731|0731|Пётр|Петр|Юлия|Ann Lee|Елена|Дмитрий",
    "chinese": "王小明|王小朋|李雷|韩梅梅|张伟|张玮|00731|0731|赵敏|陈晨|Ann Lee|刘洋|杨柳|周杰",
    "japanese": "佐藤花子|佐藤華子|鈴木一郎|たなか|タナカ|00731|0731|山本さくら|Ann Lee|中村|小林|渡辺|渡邉",
}
_GOODS = {
    "mixed": "0000013714|13714|B00005N7P0|B00005N7PO|Café crème|茶杯|SKU-1/2|Чай|ab:c|00-77",
    "western": "0000013714|13714|Café crème|Thé vert|Größe XL|SKU-1/2|B00005N7P0",
    "cyrillic": "0000013714|13714|Чай чёрный|Чашка|SKU-1/2|B00005N7P0",
    "chinese": "0000013714|13714|茶杯|绿茶|SKU-1/2|B00005N7P0",
    "japanese": "0000013714|13714|お茶|茶碗|SKU-1/2|B00005N7P0",
}
# A text as it is written and as it is read; one entry where both are the same. A number stands at §, or at the end.
Text = tuple[str, str]
_ALL: tuple[str | Text, ...] = (
    'they said "fine" and left',
    '"quoted" at the start',
    "good, cheap; small",
    "line one\nline two, with a comma\nline three",
    "a\n\nb",
    ("salt &amp; pepper &quot;mill&quot;", 'salt & pepper "mill"'),
    ("<p>Very good§</p>", "Very good§"),
    ("one<br />two§", "one\ntwo§"),
    ("it&#39;s§ <b>bold</b>", "it's§  bold"),
    "1 < 2 and 3 > 2, x <3",
    "100 % cotton | wool ^ ~ back\\slash",
    "AT&T is a firm",
    "null",
    "5",
    "2018-01-01",
)
_OWN = {
    "mixed": ("très bon café", "值得买,很好", "отличный чай", "fish 🐟 and chips", "Größe paßt nicht", "一\u2028二"),
    "western": ("très bon café, à bientôt", "Größe paßt nicht, schön", "¡muy bueno! año", "ça marche très bien"),
    "cyrillic": ("отличный чай, спасибо", "не понравилось, верну назад", "хорошая вещь для дома"),
    "chinese": ("值得买、很好用", "不好用。退货了", "物流很快、包装完好", "质量一般、价格便宜"),
    "japanese": ("とても良いお茶です。", "届くのが遅かったです。", "また買いたいと思います。", "色が写真と違います"),
}
LANGUAGES = tuple(_OWN)


@dataclass(frozen=True)
class Truth:
    """What must come out for one row of the file."""

    user: str
    product: str
    rating: float | None  # 1 to 5
    time: int  # seconds since 1970
    text: str
    kept: bool = True  # False: must be left out, and counted
    may_be_left_out: bool = False  # kept as it stands here, or left out and counted: both are right; goes first
    alternative: str = ""  # another right user, if the whole file is read so


@dataclass
class Draft:
    """A file before it is written: what its rows hold, what must come out, and how it is to be written."""

    rng: Random
    language: str = "mixed"
    rows: list[dict[str, Any]] = field(default_factory=list)  # by field, and by extra columns
    truth: list[Truth] = field(default_factory=list)  # one for each row
    names: dict[str, str] = field(default_factory=lambda: dict(NAMES))  # of columns, by field
    times: str = "exact"  # how exact the times are: "exact", "day", or "order" for places in an order
    container: str = "csv comma minimal"
    packed: bool = False
    cut_packed: bool = False
    encoding: str = "utf-8"
    line_end: str = "\n"
    inner_end: str = "\n"  # inside texts
    last_end: bool = True
    blank_lines: bool = False
    above: list[str] = field(default_factory=list)  # lines above the header
    header: bool = True
    column_order: list[str] | None = None
    broken: str = ""
    mutations: list[str] = field(default_factory=list)  # what was done to the good file, as "dimension: what"
    refusals: list[str] = field(default_factory=list)  # patterns of messages that name one of them
    unrated: list[str] = field(default_factory=list)  # patterns of warnings with which no rating is read at all

    def arrange(self, places: Sequence[int]) -> None:
        """Put the rows in another order."""
        self.rows = [self.rows[place] for place in places]
        self.truth = [self.truth[place] for place in places]

    def change(self, place: int, raw: dict[str, Any], **truth: Any) -> None:
        """Change one row, and what must come out of it."""
        self.rows[place] = {**self.rows[place], **raw}
        self.truth[place] = replace(self.truth[place], **truth)


def good_draft(rng: Random, language: str) -> Draft:
    """A few hundred reviews of 40 people and 24 products in the order of time; nobody reviews a product twice."""
    people, goods = _PEOPLE[language].split("|"), _GOODS[language].split("|")
    people += [f"u{number:03d}" for number in range(40 - len(people))]
    goods += [f"p{number}" for number in range(24 - len(goods))]
    pairs = rng.sample([(person, product) for person in people for product in goods], rng.randint(220, 320))
    texts = [text if isinstance(text, tuple) else (text, text) for text in (*_ALL, *_OWN[language] * 4)]
    draft = Draft(rng, language)
    times = sorted(rng.sample(range(START, START + SPAN * DAY), len(pairs)))
    for number, ((person, product), time) in enumerate(zip(pairs, times, strict=True)):
        written, read = rng.choice(texts)
        tail = f" {number}" if rng.random() < 0.9 or is_null(read) else ""
        stars = rng.choices((1, 2, 3, 4, 5), (1, 1, 2, 4, 6))[0]
        row = {"user": person, "product": product, "rating": stars, "time": time, "text": _numbered(written, tail)}
        draft.rows.append(row)
        draft.truth.append(Truth(person, product, float(stars), time, _numbered(read, tail)))
    return draft


def _numbered(text: str, number: str) -> str:
    return text.replace("§", number) if "§" in text else text + number


def is_null(text: str) -> bool:
    return text == "null"


def some(draft: Draft, count: int) -> Sequence[int]:
    """Places of a few rows."""
    return sorted(draft.rng.sample(range(len(draft.rows)), min(count, len(draft.rows))))
