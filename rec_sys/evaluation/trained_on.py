"""Whether a saved model was trained on what it is to be evaluated on: the same reviews, vectors and split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.settings import SplitSettings
from rec_sys.errors import CheckpointError
from rec_sys.paths import typed
from rec_sys.recommenders.held_out import ALL


def check_trained_on(info: Mapping[str, Any], name: str, data: Dataset) -> None:
    """Refuse a model whose figures would mean something else here: it may have learned what it is evaluated on.

    Args:
        info: of the model, as it was saved.
        name: of the model.
        data: what it is to be evaluated on; texts are embedded if the model has read any.

    Raises:
        CheckpointError: names what differs, or that the model does not say.
    """
    trained, groups = info.get("data"), info.get("settings")
    if not trained or not groups or "split" not in groups:
        raise CheckpointError(f"model {name} does not say what it was trained on; train again or name another")
    if info.get("fitted_on") == ALL:
        raise CheckpointError(
            f"model {name} has learned all reviews, the held-out ones too, so its figures would say nothing; train it "
            f"with train.fit_on=train, or name another"
        )
    differ, retype = [], []
    if not data.is_what_was(trained):
        was, now = f"{trained['name']} ({trained['fingerprint'][:12]})", f"{data.name} ({data.table.fingerprint[:12]})"
        differ.append(f"the data was {was}, now {now}")
        given = groups.get("data", {})
        same = [typed(f"data.{key}", given[key]) for key in ("path", "k_core") if given.get(key)]
        retype += same or ["the same data"]
    encoder = info.get("encoder")
    if encoder and encoder["fingerprint"] != data.vectors.encoder["fingerprint"]:
        was, now = (
            f"{each.get('name') or 'the default'}, {each['backend']}" for each in (encoder, data.vectors.encoder)
        )
        differ.append(f"the encoder was {was}, now {now}")
        retype.append(typed("encoder.backend", encoder["backend"]))
    # A setting that the model does not know yet had its default.
    before = {**SplitSettings().model_dump(), **groups["split"]}
    for key, value in data.split_settings.model_dump().items():
        if before[key] != value and not _without_effect(key, before, data.split_settings):
            differ.append(f"split.{key} was {before[key]}, now {value}")
            retype.append(typed(f"split.{key}", before[key]))
    if differ:
        raise CheckpointError(
            f"model {name} cannot be evaluated here: {'; '.join(differ)}. Give what it was trained with "
            f"({' '.join(retype)}) or another model"
        )


def _without_effect(key: str, before: Mapping[str, object], now: SplitSettings) -> bool:
    """The seed draws nothing where no user and no product is held out."""
    held_out = (before["held_out_users"], before["held_out_products"], now.held_out_users, now.held_out_products)
    return key == "seed" and not any(held_out)
