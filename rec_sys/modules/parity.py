"""Exported networks beside torch: the same inputs, from no review at all to a thousand, must give the same outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rec_sys.arrays import Floats
from rec_sys.errors import CheckpointError
from rec_sys.modules.signature import Signature
from rec_sys.recommenders.graph.checkpoint import TrainedGraph
from rec_sys.recommenders.graph.history_batch import HistoryBatch
from rec_sys.recommenders.graph.scorer import blended_vectors
from rec_sys.text.onnx_session import onnx_session

TOLERANCE = 1e-4  # largest difference from torch that an exported network may show

# Reviews and people of the batches that are compared; more are drawn at random.
SHAPES = ((0, 0), (0, 1), (0, 4), (1, 1), (1, 5), (10, 1), (30, 3), (1000, 1), (1000, 64), (20, 40))
DRAWN = 6
NEARLY_EQUAL = 1e-5  # cosines closer than this may change places from one library to the other

Arrays = dict[str, npt.NDArray[Any]]


def check_graph_model(path: Path, signature: Signature, checkpoint: TrainedGraph) -> float:
    """Compare an exported user tower with the checkpoint's own.

    Returns:
        The largest difference that was seen.

    Raises:
        CheckpointError: it is more than TOLERANCE.
    """
    tower = checkpoint.network.user_tower

    def in_torch(arrays: Arrays) -> Sequence[Tensor]:
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        row = torch.arange(len(tensors["person"]))
        text = tensors.get("text", torch.zeros(len(row), 0))
        edges = (tensors["person"], tensors["age"], tensors["days"])
        histories = HistoryBatch(len(tensors["people"]), row, text, tensors["rating"], row, *edges)
        states = tower(tensors["products"], histories)
        vectors = blended_vectors(states, tensors["products"], histories, checkpoint.blend)
        return vectors, states.attention

    return _check(path, signature, review_batches(checkpoint), in_torch, checkpoint)


def check_new_products(path: Path, signature: Signature, checkpoint: TrainedGraph) -> float:
    """Compare an exported tower of new products with the checkpoint's own; as `check_graph_model`."""

    def in_torch(arrays: Arrays) -> Sequence[Tensor]:
        history, target = checkpoint.cold_items(torch.from_numpy(arrays["text"]))
        return history, target

    return _check(path, signature, text_batches(checkpoint), in_torch, checkpoint)


def exported_from(path: Path) -> str:
    """Fingerprint of the checkpoint that an ONNX file was exported from; "" where the file does not say."""
    import onnx

    entries = onnx.load(path, load_external_data=False).metadata_props
    return next((str(entry.value) for entry in entries if entry.key == "checkpoint"), "")


def _check(
    path: Path,
    signature: Signature,
    batches: Iterator[Arrays],
    in_torch: Callable[[Arrays], Sequence[Tensor]],
    checkpoint: TrainedGraph,
) -> float:
    error, sizes = largest_difference(path, signature, batches, in_torch)
    if not error <= TOLERANCE:
        raise CheckpointError(
            f"{signature.name} of checkpoint {checkpoint.path.name}: the exported network differs from torch by "
            f"{error:.1e} at the sizes {sizes}; expected at most {TOLERANCE:.0e}. Nothing was written; report this"
        )
    return error


@torch.inference_mode()
def largest_difference(
    path: Path, signature: Signature, batches: Iterator[Arrays], in_torch: Callable[[Arrays], Sequence[Tensor]]
) -> tuple[float, dict[str, list[int]]]:
    """How far an ONNX file is from torch, and the sizes of the inputs where it is farthest.

    A wrong shape, a number that is none and sizes that cannot be computed count as infinitely far.
    """
    session = onnx_session(path)
    names = [tensor.name for tensor in signature.outputs]
    worst, where = 0.0, dict[str, list[int]]()
    for arrays in batches:
        try:
            results = session.run(names, arrays)
        except Exception:  # ONNX Runtime's errors have no common public base
            return np.inf, _sizes(arrays)
        for ours, expected in zip(results, in_torch(arrays), strict=True):
            error = np.inf
            if ours.shape == tuple(expected.shape) and np.isfinite(ours).all():
                error = float(np.abs(ours - expected.numpy()).max(initial=0))
            if error > worst or not where:
                worst, where = error, _sizes(arrays)
    return worst, where


def _sizes(arrays: Arrays) -> dict[str, list[int]]:
    return {name: list(array.shape) for name, array in arrays.items()}


def review_batches(checkpoint: TrainedGraph) -> Iterator[Arrays]:
    """Reviews of real products with everything else drawn at random, some of it missing."""
    generator = np.random.default_rng(0)
    model = checkpoint.network
    history = checkpoint.states.history.numpy()
    drawn = [(int(generator.integers(0, 300)), int(generator.integers(1, 50))) for _ in range(DRAWN)]
    for reviews, users in (*SHAPES, *drawn):
        rating = generator.integers(1, 6, reviews).astype(np.float32)
        rating[generator.random(reviews) < 0.3] = np.nan
        arrays: Arrays = {
            "products": history[generator.integers(0, len(history), reviews)],
            "rating": rating,
            "person": generator.integers(0, max(users, 1), reviews),
            "age": generator.integers(0, model.settings.max_history, reviews),
            "days": (generator.random(reviews) * 3000).astype(np.float32),
            "people": np.zeros(users, dtype=np.int64),
        }
        if model.review_texts:
            arrays["text"] = _unit_vectors(generator, reviews, model.text_dim)
        yield arrays


def text_batches(checkpoint: TrainedGraph) -> Iterator[Arrays]:
    """Texts near to those of the catalogue, without those for which chance decides what is nearest."""
    generator = np.random.default_rng(0)
    network = checkpoint.cold_items
    known = network.text.numpy()
    for count in (0, 1, 2, 64, 500):
        text = _unit_vectors(generator, count, checkpoint.network.text_dim)
        if len(known):
            text[::2] = text[::2] * 0.5 + known[generator.integers(0, len(known), len(text[::2]))]
        text[3::5] = 0
        yield {"text": text[_decided(text, known, network.calibration.neighbours)]}


def _decided(text: Floats, known: Floats, neighbours: int) -> npt.NDArray[np.bool_]:
    """(len(text),) whether it is clear which of the known texts are the nearest ones: no tie at the border."""
    if len(known) <= neighbours:
        return np.ones(len(text), dtype=bool)
    length = np.maximum(np.linalg.norm(text, axis=1, keepdims=True), 1e-12)
    cosine = np.sort(text / length @ known.T, axis=1)
    clear: npt.NDArray[np.bool_] = cosine[:, -neighbours] - cosine[:, -neighbours - 1] > NEARLY_EQUAL
    return clear | ~text.any(axis=1)


def _unit_vectors(generator: np.random.Generator, count: int, dim: int) -> Floats:
    vectors = generator.normal(size=(count, dim))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[generator.random(count) < 0.2] = 0  # no text
    return vectors.astype(np.float32)
