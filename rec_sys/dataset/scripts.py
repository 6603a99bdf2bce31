"""Which script texts are written in, by the Unicode property of their letters; a language cannot be told from it."""

from __future__ import annotations

import polars as pl

LATIN, OTHER, NONE = "Latin", "other letters", "no letters"
SCRIPTS = {
    LATIN: r"\p{Latin}",
    "Cyrillic": r"\p{Cyrillic}",
    "Greek": r"\p{Greek}",
    "Han": r"\p{Han}",
    "Kana": r"[\p{Hiragana}\p{Katakana}]",
    "Hangul": r"\p{Hangul}",
    "Arabic": r"\p{Arabic}",
    "Hebrew": r"\p{Hebrew}",
    "Devanagari": r"\p{Devanagari}",
    "Bengali": r"\p{Bengali}",
    "Tamil": r"\p{Tamil}",
    "Thai": r"\p{Thai}",
}
START = 1_000  # letters of a text that are looked at
SOME_KANA = 0.1  # share of Kana beside Han from which a text is Japanese


def scripts_of(texts: pl.Series) -> dict[str, int]:
    """How many texts are in each script, the most frequent first.

    A text is of the script that most of its letters are of; Japanese, which mixes Kana and Han, counts as Kana.
    """
    start = pl.col("text").str.slice(0, START)
    counts = pl.DataFrame({"text": texts}).select(
        start.str.count_matches(r"\p{L}").alias("letters"),
        *(start.str.count_matches(pattern).alias(name) for name, pattern in SCRIPTS.items()),
    )
    found: dict[str, int] = {}
    for letters, *of_scripts in counts.iter_rows():
        script = _script(letters, dict(zip(SCRIPTS, of_scripts, strict=True)))
        found[script] = found.get(script, 0) + 1
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _script(letters: int, counts: dict[str, int]) -> str:
    """The script of a text, by how many letters of each it has."""
    if not letters:
        return NONE
    if counts["Kana"] >= SOME_KANA * (counts["Kana"] + counts["Han"]) and counts["Kana"]:
        counts["Kana"] += counts["Han"]
        counts["Han"] = 0
    script = max(counts, key=lambda name: counts[name])
    return script if 2 * counts[script] >= sum(counts.values()) and counts[script] else OTHER
