from __future__ import annotations

from rec_sys.tables import cut, text_table, text_width


def test_wide_letters_and_accents_stay_in_their_columns() -> None:
    lines = text_table([["user", "n"], ["用户", "1"], ["e\u0301e", "22"]]).splitlines()
    assert [text_width(line) for line in lines] == [8, 8, 8, 8]


def test_a_text_is_cut_to_a_width_and_cannot_steer_the_terminal() -> None:
    assert cut("short", 5) == "short"
    assert cut("much longer", 5) == "much…"
    assert cut("好好好好", 5) == "好好…"
    assert cut("a\n b\x1b[31m\tc", 20) == "a b [31m c"
    assert text_width(cut("word " * 1_000, 40)) <= 40
