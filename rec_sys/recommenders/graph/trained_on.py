"""Whether a model was trained on what it is to be evaluated on: the same reviews, vectors and split."""

from __future__ import annotations

from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.settings import SplitSettings
from rec_sys.errors import CheckpointError
from rec_sys.paths import typed
from rec_sys.recommenders.graph.stored import StoredGraph


def check_trained_on(checkpoint: StoredGraph, data: Dataset, split: SplitSettings) -> None:
    """Refuse a model whose figures would mean something else here: it may have learned what it is evaluated by.

    Raises:
        CheckpointError: names what differs, or that the checkpoint does not say.
    """
    info, file = checkpoint.info, checkpoint.path.name
    trained, encoder = info.get("data"), info.get("encoder")
    groups = info.get("settings")
    if not trained or not encoder or not groups or "split" not in groups:
        raise CheckpointError(f"checkpoint {file} does not say what it was trained on; train again or name another")
    differ, retype = [], []
    if trained["fingerprint"] != data.table.fingerprint:
        was, now = f"{trained['name']} ({trained['fingerprint'][:12]})", f"{data.name} ({data.table.fingerprint[:12]})"
        differ.append(f"the data was {was}, now {now}")
        given = groups.get("data", {})
        retype += [typed(f"data.{key}", given[key]) for key in ("path", "k_core") if given.get(key)] or [
            "the same data"
        ]
    if encoder["fingerprint"] != data.vectors.encoder["fingerprint"]:
        was, now = (
            f"{each.get('name') or 'the default'}, {each['backend']}" for each in (encoder, data.vectors.encoder)
        )
        differ.append(f"the encoder was {was}, now {now}")
        retype.append(typed("encoder.backend", encoder["backend"]))
    # A setting that the checkpoint does not know yet had its default.
    before = {**SplitSettings().model_dump(), **groups["split"]}
    for key, value in split.model_dump().items():
        if before[key] != value and not _without_effect(key, before, split):
            differ.append(f"split.{key} was {before[key]}, now {value}")
            retype.append(typed(f"split.{key}", before[key]))
    if differ:
        raise CheckpointError(
            f"checkpoint {file} cannot be evaluated here: {'; '.join(differ)}. Give what it was trained with "
            f"({' '.join(retype)}) or another checkpoint"
        )


def _without_effect(key: str, before: dict[str, object], now: SplitSettings) -> bool:
    """The seed draws nothing where nobody and nothing is kept out."""
    kept_out = (before["held_out_users"], before["held_out_products"], now.held_out_users, now.held_out_products)
    return key == "seed" and not any(kept_out)
