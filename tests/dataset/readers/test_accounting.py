from pathlib import Path
from typing import Any

import pytest

from rec_sys.dataset.readers.accounting import LineAccount, check_again, check_days, check_left_out, remedy
from rec_sys.dataset.readers.date_columns import DAY
from rec_sys.dataset.readers.formats import ReviewFormat
from rec_sys.dataset.readers.profile import Profile
from rec_sys.dataset.readers.reading_settings import ReadingSettings
from rec_sys.dataset.readers.rejects import Reason, Rejects
from rec_sys.dataset.readers.review_reader import Reading
from rec_sys.errors import DataError

FILE, KEPT = Path("raw.csv"), Path("rejects.jsonl")
FORMAT = ReviewFormat("plain", (), ("user_id",), ("product_id",), ("rating",), ("date",))
PROFILE = Profile(FORMAT, Reading(), ["user_id", "product_id", "rating", "date"])


@pytest.mark.parametrize(("kept", "right"), [(6, True), (5, False), (7, False)])
def test_every_line_is_accounted_for(kept: int, right: bool) -> None:
    account = LineAccount(10, header=1, blank=2, kept=kept, left_out=1)
    if right:
        account.check(FILE)
        return
    with pytest.raises(DataError, match=rf"10 lines, but {kept + 4} were accounted for"):
        account.check(FILE)


def checked(tmp_path: Path, read: int, reason: Reason, values: list[Any], **settings: Any) -> list[str]:
    with Rejects(tmp_path / "rejects") as rejects:
        for line, value in enumerate(values, 2):
            rejects.add(line, reason, {"date": value}, value)
    return check_left_out(FILE, read, rejects, PROFILE, ReadingSettings(**settings), KEPT)


@pytest.mark.parametrize(("count", "refused"), [(10, False), (11, True)])
def test_a_tenth_may_be_left_out(count: int, refused: bool, tmp_path: Path) -> None:
    if refused:
        with pytest.raises(DataError, match=r"11 of 100 rows \(11.0%\) are left out: no date .*max_left_out=0.11"):
            checked(tmp_path, 100, Reason.NO_DATE, [None] * count)
    else:
        (said,) = checked(tmp_path, 100, Reason.NO_DATE, [None] * count)
        assert said.startswith("10 of 100 rows (10.0%) are left out: no date (line 2, line 3, line 4)")


@pytest.mark.parametrize(
    ("values", "read", "refused"),
    [
        (["1/2/3"] * 9, 500, False),  # nine may be chance
        (["1/2/3"] * 10, 500, True),
        (["1/2/3"] * 10, 1_000, True),
        (["1/2/3"] * 10, 1_001, False),  # less than one in a hundred
        (["1/2/3"] * 9 + ["soon"], 500, False),  # not of one kind
    ],
)
def test_values_of_one_kind(values: list[str], read: int, refused: bool, tmp_path: Path) -> None:
    if refused:
        with pytest.raises(DataError, match="all of them written like '9/9/9'"):
            checked(tmp_path, read, Reason.BAD_DATE, values)
    else:
        assert len(checked(tmp_path, read, Reason.BAD_DATE, values)) == 1


@pytest.mark.parametrize(("bound", "refused"), [(0.5, False), (0.49, True), (0, True)])
def test_a_given_bound(bound: float, refused: bool, tmp_path: Path) -> None:
    if refused:
        with pytest.raises(DataError, match="max_left_out"):
            checked(tmp_path, 20, Reason.BAD_DATE, ["x"] * 10, max_left_out=bound)
    else:
        assert checked(tmp_path, 20, Reason.BAD_DATE, ["x"] * 10, max_left_out=bound)


@pytest.mark.parametrize(("count", "said"), [(25, 0), (26, 1)])
def test_many_repetitions_are_told(count: int, said: int, tmp_path: Path) -> None:
    assert len(checked(tmp_path, 100, Reason.REPEATED, [None] * count)) == said


@pytest.mark.parametrize(
    ("rejected", "bound", "refused"),
    [
        ({"bad date": 10}, None, False),
        ({"bad date": 11}, None, True),
        ({"bad date": 11}, 0.11, False),
        ({"repeated review": 90}, None, False),
    ],
)
def test_a_file_that_was_read_before(rejected: dict[str, int], bound: float | None, refused: bool) -> None:
    settings = ReadingSettings(max_left_out=bound)
    if refused:
        with pytest.raises(DataError, match=r"11 of 100 rows .* bad date"):
            check_again(FILE, 100, rejected, settings, KEPT)
    else:
        check_again(FILE, 100, rejected, settings, KEPT)


@pytest.mark.parametrize(
    ("kept", "span", "check", "refused"),
    [
        (20, DAY - 1, True, True),
        (20, DAY, True, False),
        (19, 0, True, False),
        (20, 0, False, False),
    ],
)
def test_reviews_of_one_day(kept: int, span: int, check: bool, refused: bool) -> None:
    first = 1_538_265_600
    settings = ReadingSettings(check_dates=check)
    if refused:
        with pytest.raises(DataError, match=r"all 20 reviews are of one day, 2018-09-30, by the column 'date'"):
            check_days(FILE, first, first + span, kept, PROFILE, settings)
    else:
        check_days(FILE, first, first + span, kept, PROFILE, settings)


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason != Reason.REPEATED])
def test_every_reason_has_a_remedy(reason: Reason) -> None:
    assert remedy(reason, None) != "check the file"
