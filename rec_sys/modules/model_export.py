"""A checkpoint's networks as ONNX files, for serving without torch.

uv run python -m rec_sys.modules.model_export CKPT config/model/model_config.yaml \
    --output_path=./triton_utils/model_repository/graph_model/1/model.onnx

Before a file takes its place it is compared with torch, from no review at all to a thousand; a file that differs is not
kept.
"""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import yaml
from torch import Tensor, nn

import rec_sys.command  # noqa: F401  (silences what torch_geometric says to its own developers)
from rec_sys.dataset.stars import Stars
from rec_sys.dataset.table import Floats
from rec_sys.errors import CheckpointError, ConfigError, RecSysError
from rec_sys.files import atomic_file
from rec_sys.modules import signature
from rec_sys.modules.checkpoint import Checkpoint, load_checkpoint
from rec_sys.modules.config_pbtxt import TARGETS, Serving, target_of, write_model_files
from rec_sys.modules.graph_model import GraphModelSettings
from rec_sys.modules.new_products import NEIGHBOURS
from rec_sys.modules.plain_user_tower import PlainUserTower
from rec_sys.modules.signature import Signature

FORMAT = "rec_sys export 1"
OPSET = 20  # ONNX Runtime 1.18 and newer
TOLERANCE = 1e-4  # largest difference from torch that an exported network may show
EXAMPLE = {"R": 7, "N": 3, "n": 5}  # sizes the exporter sees; 0 and 1 would be taken for fixed ones

# Reviews and people of the batches that are compared; more are drawn at random.
SHAPES = ((0, 0), (0, 1), (0, 4), (1, 1), (1, 5), (10, 1), (30, 3), (1000, 1), (1000, 64), (20, 40))
DRAWN = 6
NEARLY_EQUAL = 1e-5  # cosines closer than this may change places from one library to the other

Arrays = dict[str, npt.NDArray[Any]]


def graph_model_signature(checkpoint: Checkpoint) -> Signature:
    """What the exported user tower of a checkpoint takes and gives."""
    model, states = checkpoint.model, checkpoint.states
    text_dim = model.text_dim if model.review_texts else 0
    return signature.graph_model(states.history.shape[1], text_dim, states.target.shape[1])


def new_products_signature(checkpoint: Checkpoint) -> Signature:
    """What the exported product tower of texts takes and gives."""
    states = checkpoint.states
    return signature.new_products(checkpoint.model.text_dim, states.history.shape[1], states.target.shape[1])


def export_graph_model(checkpoint: Checkpoint, path: Path) -> float:
    """Write the user tower as ONNX, with free numbers of people and reviews.

    Args:
        checkpoint: on the CPU.
        path: the file; its folder is made.

    Returns:
        The largest difference from torch that was seen.

    Raises:
        CheckpointError: the file would differ from torch by more than TOLERANCE; nothing is written then.
        ConfigError: the extra rec-sys[onnx] is not installed.
    """
    tower = checkpoint.model.user_tower.cpu().eval()
    plain = PlainUserTower(tower).eval()

    def in_torch(arrays: Arrays) -> Sequence[Tensor]:
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        row = torch.arange(len(tensors["person"]))
        text = tensors.get("text", torch.zeros(len(row), 0))
        edges = (tensors["person"], tensors["age"], tensors["days"])
        stars = Stars(len(tensors["people"]), row, text, tensors["rating"], row, *edges)
        states = tower(tensors["products"], stars)
        return states.vector, states.attention

    return _export(plain, graph_model_signature(checkpoint), _review_batches(checkpoint), in_torch, checkpoint, path)


def export_new_products(checkpoint: Checkpoint, path: Path) -> float:
    """Write what turns texts into states of new products as ONNX, with a free number of texts.

    Returns:
        The largest difference from torch that was seen.

    Raises:
        CheckpointError: the model reads no texts, or as for `export_graph_model`.
        ConfigError: the extra rec-sys[onnx] is not installed.
    """
    if not checkpoint.model.text_dim:
        raise CheckpointError(f"checkpoint {checkpoint.path.name} reads no texts, so it has no product tower to export")
    network = checkpoint.new_products.cpu().eval()

    def in_torch(arrays: Arrays) -> Sequence[Tensor]:
        history, target = network(torch.from_numpy(arrays["text"]))
        return history, target

    return _export(network, new_products_signature(checkpoint), _text_batches(checkpoint), in_torch, checkpoint, path)


def _export(
    network: nn.Module,
    signature: Signature,
    batches: Iterator[Arrays],
    in_torch: Callable[[Arrays], Sequence[Tensor]],
    checkpoint: Checkpoint,
    path: Path,
) -> float:
    with atomic_file(path) as temporary:
        _write_onnx(network, signature, temporary, _metadata(checkpoint))
        error, shapes = largest_difference(temporary, signature, batches, in_torch)
        if not error <= TOLERANCE:
            raise CheckpointError(
                f"{signature.name} of checkpoint {checkpoint.path.name}: the exported network differs from torch by "
                f"{error:.1e} at the sizes {shapes}; expected at most {TOLERANCE:.0e}. Nothing was written; report this"
            )
    return error


def _metadata(checkpoint: Checkpoint) -> dict[str, str]:
    return {"checkpoint": checkpoint.fingerprint, "checkpoint_name": checkpoint.path.name, "format": FORMAT}


def _write_onnx(network: nn.Module, signature: Signature, path: Path, metadata: Mapping[str, str]) -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ConfigError(f"exporting needs {error.name}; install the extra rec-sys[onnx]") from error
    free = {name: torch.export.Dim(name) for name in EXAMPLE}
    example, shapes = {}, {}
    for tensor in signature.inputs:
        sizes = [EXAMPLE[axis] if isinstance(axis, str) else axis for axis in tensor.axes]
        example[tensor.name] = torch.zeros(sizes, dtype=torch.float32 if tensor.dtype == "FP32" else torch.int64)
        shapes[tensor.name] = {place: free[axis] for place, axis in enumerate(tensor.axes) if isinstance(axis, str)}
    disabled = logging.root.manager.disable
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter talks about its own insides
        logging.disable(logging.WARNING)
        try:
            # Strict, as otherwise every len() of a tensor would be taken for a fixed size.
            exported = torch.export.export(network, (), example, dynamic_shapes=shapes, strict=True)
            program = torch.onnx.export(
                exported,
                input_names=list(example),
                output_names=[tensor.name for tensor in signature.outputs],
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
        finally:
            logging.disable(disabled)
    assert program is not None  # noqa: S101  with dynamo=True there is one
    program.model.metadata_props.update(metadata)
    program.save(path, external_data=False)


@torch.inference_mode()
def largest_difference(
    path: Path, signature: Signature, batches: Iterator[Arrays], in_torch: Callable[[Arrays], Sequence[Tensor]]
) -> tuple[float, dict[str, list[int]]]:
    """How far an ONNX file is from torch, and the sizes of the inputs where it is farthest.

    A wrong shape, a number that is none and sizes that cannot be computed count as infinitely far.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
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


def _review_batches(checkpoint: Checkpoint) -> Iterator[Arrays]:
    """Reviews of real products with everything else drawn at random, some of it missing."""
    generator = np.random.default_rng(0)
    model = checkpoint.model
    history = checkpoint.states.history.numpy()
    drawn = [(int(generator.integers(0, 300)), int(generator.integers(1, 50))) for _ in range(DRAWN)]
    for reviews, people in (*SHAPES, *drawn):
        rating = generator.integers(1, 6, reviews).astype(np.float32)
        rating[generator.random(reviews) < 0.3] = np.nan
        arrays: Arrays = {
            "products": history[generator.integers(0, len(history), reviews)],
            "rating": rating,
            "person": generator.integers(0, max(people, 1), reviews),
            "age": generator.integers(0, model.settings.max_history, reviews),
            "days": (generator.random(reviews) * 3000).astype(np.float32),
            "people": np.zeros(people, dtype=np.int64),
        }
        if model.review_texts:
            arrays["text"] = _unit_vectors(generator, reviews, model.text_dim)
        yield arrays


def _text_batches(checkpoint: Checkpoint) -> Iterator[Arrays]:
    """Texts near to those of the catalogue, without those for which chance decides what is nearest."""
    generator = np.random.default_rng(0)
    network = checkpoint.new_products
    known = network.text.numpy()
    for count in (0, 1, 2, 64, 500):
        text = _unit_vectors(generator, count, checkpoint.model.text_dim)
        if len(known):
            text[::2] = text[::2] * 0.5 + known[generator.integers(0, len(known), len(text[::2]))]
        text[3::5] = 0
        yield {"text": text[_decided(text, known)]}


def _decided(text: Floats, known: Floats) -> npt.NDArray[np.bool_]:
    """(len(text),) whether it is clear which of the known texts are the NEIGHBOURS nearest: no tie at the border."""
    if len(known) <= NEIGHBOURS:
        return np.ones(len(text), dtype=bool)
    length = np.maximum(np.linalg.norm(text, axis=1, keepdims=True), 1e-12)
    cosine = np.sort(text / length @ known.T, axis=1)
    clear: npt.NDArray[np.bool_] = cosine[:, -NEIGHBOURS] - cosine[:, -NEIGHBOURS - 1] > NEARLY_EQUAL
    return clear | ~text.any(axis=1)


def _unit_vectors(generator: np.random.Generator, count: int, dim: int) -> Floats:
    vectors = generator.normal(size=(count, dim))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[generator.random(count) < 0.2] = 0  # no text
    return vectors.astype(np.float32)


def check_model_config(path: Path, checkpoint: Checkpoint, overrides: Sequence[str] = ()) -> None:
    """Refuse settings of the network that are not those of the checkpoint.

    Args:
        path: YAML as `config/model/model_config.yaml`: what it does not name has its default.
        checkpoint: what is exported.
        overrides: `key=value`, over those of the file.

    Raises:
        ConfigError: names the first key that differs, or what cannot be read.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"model config {path} cannot be read ({' '.join(str(error).split())})") from error
    if not isinstance(values, dict):
        raise ConfigError(f"model config {path} holds {type(values).__name__}; expected settings, key: value")
    values.pop("defaults", None)  # Hydra's: the defaults of GraphModelSettings
    for override in overrides:
        key, equals, value = override.removeprefix("model.").partition("=")
        if not equals:
            raise ConfigError(f"{override!r} is no setting; expected key=value, as model.dim=64")
        values[key] = yaml.safe_load(value)
    given = GraphModelSettings.read({str(key): value for key, value in values.items()}, "model")
    for key, trained in checkpoint.model.settings.model_dump().items():
        if (here := getattr(given, key)) != trained:
            raise ConfigError(
                f"model.{key} is {here} in {path}, but checkpoint {checkpoint.path.name} was trained with {trained}; "
                f"add model.{key}={trained} to the command, or name the config it was trained with"
            )


def export(
    checkpoint: Path, model_config: Path, output_path: Path, target: str = "embedded", overrides: Sequence[str] = ()
) -> float:
    """Write the ONNX file of the user tower, and beside its version folder the server's config.

    Args:
        checkpoint: the file.
        model_config: see `check_model_config`.
        output_path: `REPOSITORY/graph_model/VERSION/model.onnx`.
        target: "embedded" or "container"; see `rec_sys.modules.config_pbtxt`.
        overrides: of the model config.

    Returns:
        The largest difference from torch that was seen.

    Raises:
        RecSysError: an argument is wrong, or the export is; nothing is written then.
    """
    chosen = target_of(target)
    version = output_path.parent.name
    if output_path.name != "model.onnx" or not version.isdecimal() or int(version) < 1:
        raise ConfigError(
            f"output_path={output_path}: expected REPOSITORY/{signature.GRAPH_MODEL}/VERSION/model.onnx, with a "
            f"version of 1 or more, as ./triton_utils/model_repository/{signature.GRAPH_MODEL}/1/model.onnx"
        )
    folder = output_path.parent.parent
    if folder.name != signature.GRAPH_MODEL:
        raise ConfigError(f"output_path={output_path}: the folder {folder.name} must be named {signature.GRAPH_MODEL}")
    trained = load_checkpoint(checkpoint)
    check_model_config(model_config, trained, overrides)
    error = export_graph_model(trained, output_path)
    serving = Serving(target=chosen, versions=(int(version),))
    write_model_files(folder, graph_model_signature(trained), serving, int(version))
    return error


def main(arguments: Sequence[str] | None = None) -> None:
    """Export one checkpoint's user tower."""
    parser = argparse.ArgumentParser(
        prog="rec_sys.modules.model_export", description="Export the user tower of a checkpoint for serving."
    )
    parser.add_argument("checkpoint", type=Path, help="checkpoint file")
    parser.add_argument("model_config", type=Path, help="settings of the network, as config/model/model_config.yaml")
    parser.add_argument("overrides", nargs="*", help="settings that differ from those of the file: model.dim=64")
    parser.add_argument("--output_path", type=Path, required=True, help="REPOSITORY/graph_model/VERSION/model.onnx")
    parser.add_argument("--target", default="embedded", help=f"{' or '.join(TARGETS)}; default embedded")
    given = parser.parse_args(arguments)
    try:
        error = export(given.checkpoint, given.model_config, given.output_path, given.target, given.overrides)
    except RecSysError as problem:
        print(f"error: {' '.join(str(problem).split())}", file=sys.stderr)
        raise SystemExit(2) from None
    print(f"graph_model  {given.output_path}\nlargest difference from torch: {error:.1e}")


if __name__ == "__main__":
    main()
