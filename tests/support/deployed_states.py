"""What `deployed.json` may say: versions of one shape and of others."""

from __future__ import annotations

from typing import Any

from triton_utils.repository.versions import Shape, State, Version

SHAPE = Shape(history_dim=33, text_dim=384, review_texts=True, dim=33)
OTHER = SHAPE.model_copy(update={"history_dim": 65, "dim": 65})
NO_TEXTS = Shape(history_dim=33, text_dim=0, review_texts=False, dim=33)


def version(shape: Shape = SHAPE) -> Version:
    return Version(checkpoint="toy.ckpt", fingerprint="f" * 64, created="2026-01-01T00:00:00+00:00", shape=shape)


def state(*shapes: Shape, **changes: Any) -> State:
    """Versions 1, 2, ... of which the last is served."""
    versions = {number: version(shape) for number, shape in enumerate(shapes, 1)}
    previous = len(shapes) - 1 or None
    number = len(shapes)
    return State(**{"current": number, "previous": previous, "last": number, "versions": versions, **changes})
