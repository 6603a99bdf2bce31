"""Which epoch is kept, also where a validation figure is not a number."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import pytest

from rec_sys.errors import RecSysError
from rec_sys.recommenders.graph.callbacks import KeepBest
from rec_sys.recommenders.graph.settings import GraphModelSettings, TrainSettings
from rec_sys.recommenders.graph.task import GraphTask
from rec_sys.recommenders.graph.training import GraphFit, RunContext, fit_graph
from tests.support.embedded_toy import toy

NAN = math.nan


def fit(monkeypatch: pytest.MonkeyPatch, values: Sequence[float], patience: int = 5) -> GraphFit:
    """A training whose epochs have these figures."""
    left = iter(values)
    monkeypatch.setattr(GraphTask, "validate", lambda task: {"ndcg@10": next(left)})
    train = TrainSettings(max_epochs=len(values), patience=patience, accelerator="cpu")
    context = RunContext(network_alone=True)
    return fit_graph(toy().dataset, GraphModelSettings(dim=16, heads=2), train, context)


@pytest.mark.parametrize(
    ("values", "best_epoch"),
    [([NAN, 0.1, 0.3, 0.2], 2), ([0.1, NAN, 0.2], 2), ([0.2, NAN, 0.1], 0), ([NAN, NAN, 0.1], 2)],
)
def test_an_epoch_whose_figure_is_nan_is_worse_than_any_other(
    values: list[float], best_epoch: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    done = fit(monkeypatch, values)
    assert len(done.history) == len(values)
    assert done.best_epoch == best_epoch
    assert done.best == pytest.approx(values[best_epoch])
    warned = [record.args for record in caplog.records if record.levelno == logging.WARNING]
    assert warned == [("valid/ndcg_at_10", epoch + 1) for epoch, value in enumerate(values) if math.isnan(value)]


def test_epochs_of_nan_count_as_epochs_without_a_better_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(fit(monkeypatch, [0.1, NAN, NAN, 0.2, 0.3], patience=2).history) == 3


def test_a_training_without_any_figure_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecSysError, match=r"train\.learning_rate"):
        fit(monkeypatch, [NAN, NAN])


@pytest.mark.parametrize("best", [NAN, None])
def test_a_state_without_a_best_figure_has_no_best_epoch(best: float | None) -> None:
    keep = KeepBest("valid/ndcg_at_10", "max", has_best=True)
    keep.load_state_dict({"best": best, "best_epoch": 0, "history": [{"epoch": 0.0}]})
    assert (keep.best, keep.best_epoch, len(keep.history)) == (None, -1, 1)
