import time
from typing import Any

import pytest

from rec_sys.dataset.readers.texts import on_one_line, read_text, without_html


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (" good ", "good"),
        ("a\0b", "ab"),
        ("salt &amp; pepper", "salt & pepper"),
        ("it&#39;s &#x41;", "it's A"),
        ("<p>one</p><p>two</p>", "one\ntwo"),
        ("one<br/>two<BR >three", "one\ntwo\nthree"),
        ("<b>bold</b>", "bold"),
        ("&lt;b&gt;bold&lt;/b&gt;", "bold"),
        ("a<script>x < 1</script>b", "a b"),
        ("<style>p {}</style>b", "b"),
        ("<!-- note -->b", "b"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("x <3 y", "x <3 y"),
        ("AT&T; R&D", "AT&T; R&D"),
        ("a\n\nb", "a\n\nb"),
        ("NULL", ""),
        ("n/a", ""),
        ("nan ", ""),
        ("nullify", "nullify"),
        (5, "5"),
        (4.5, "4.5"),
        (True, ""),
        (None, ""),
        (["a"], ""),
        ({"a": 1}, ""),
    ],
)
def test_read_text(value: Any, text: str) -> None:
    assert read_text(value) == text


@pytest.mark.parametrize("name", ["script", "style"])
def test_an_element_that_does_not_end_stays_a_tag(name: str) -> None:
    assert without_html(f"a <{name}> b") == "a   b"


@pytest.mark.parametrize("piece", ["<script>", "<", "&lt;", "</script", "<a ", "&amp;" * 3])
def test_hostile_texts_cost_no_more_than_their_length(piece: str) -> None:
    started = time.monotonic()
    read_text(piece * 20_000)
    assert time.monotonic() - started < 10


def test_on_one_line() -> None:
    assert on_one_line(" a\n\tb\u2003c ") == "a b c"
