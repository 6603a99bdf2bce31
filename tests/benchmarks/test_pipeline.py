from __future__ import annotations

from pathlib import Path

from benchmarks.pipeline import STAGES, overrides_of


def test_every_stage_gets_the_settings_that_it_reads() -> None:
    words = ["data.k_core=5", "train.max_epochs=1", "encoder.backend=float32", "+data.columns.user=u", "dataset=x"]
    words += ["data=file", "model.dim=8"]
    given = {stage: overrides_of(stage, Path("raw.gz"), words) for stage in STAGES}
    before = ["data.path=raw.gz", "data.k_core=5", "encoder.backend=float32", "+data.columns.user=u", "data=file"]
    assert given == {
        "read and check": before,
        "embed": before,
        "train": ["data.path=raw.gz", *words],
        "vector base": [],
    }
