from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from rec_sys.dataset.readers.real_ids import read_real_ids
from rec_sys.errors import DataError


@pytest.mark.parametrize("pack", [gzip.compress, bytes])
def test_numbers_become_ids(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / "item2id").write_bytes(pack("\ufeffB00FF\t0\r\nB 0é\t 1\n\n".encode()))
    assert read_real_ids(tmp_path / "item2id") == {"0": "B00FF", "1": "B 0é"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("a\t0\nb 1\n", r"line 2 is 'b 1'; expected a line ID<TAB>NUMBER for each number"),
        ("a\t0\t1\n", "line 1 is"),
        ("\t0\n", "line 1 is"),
        ("a\t0\nb\t0\n", "line 2 gives the number 0 a second id, 'b'"),
        ("a\t0\na\t1\n", "one id to several numbers"),
        ("\n", "is empty"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "ids").write_text(content)
    with pytest.raises(DataError, match=reason):
        read_real_ids(tmp_path / "ids")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for content in (gzip.compress(b"a\t0\n" * 99)[:-9], b"\x1f\x8bx"):
        (tmp_path / "ids").write_bytes(content)
        with pytest.raises(DataError, match="ids cannot be read"):
            read_real_ids(tmp_path / "ids")
    with pytest.raises(DataError, match="nothing cannot be read"):
        read_real_ids(tmp_path / "nothing")
