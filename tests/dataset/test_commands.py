"""The stages prepare and embed as they are typed; the command each shows at its end is the next one typed."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rec_sys.dataset import embed, prepare


def test_what_each_stage_shows_can_be_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def typed(main: Callable[[], None], *words: str) -> list[str]:
        """The words of the command shown last."""
        monkeypatch.setattr(sys, "argv", ["command", *words])
        main()
        return shlex.split(capsys.readouterr().out.rpartition("next:")[2])

    work = tmp_path / "my work"
    words = [f"paths.work_dir='{work}'", "data.sample_users=4", "data.sample_products=12", "data.sample_reviews=20"]
    shown = typed(prepare.main, *words, "encoder.backend=float32")
    assert shown == ["uv", "run", "-m", "rec_sys.dataset.embed", *words, "encoder.backend=float32"]
    shown = typed(embed.main, *shown[4:])
    assert shown == ["uv", "run", "-m", "rec_sys.train.train", *words, "encoder.backend=float32"]
    assert len(list((work / "data/prepared").iterdir())) == 1
