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
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import yaml

from rec_sys.command import with_remedy
from rec_sys.errors import CheckpointError, ConfigError, RecSysError, Remedy
from rec_sys.files import atomic_file
from rec_sys.modules import signature
from rec_sys.modules.config_pbtxt import CONFIG_FILE, MODEL_FILE, TARGETS, Serving, target_of, write_model_files
from rec_sys.modules.signature import Signature
from rec_sys.paths import quoted
from rec_sys.recommenders.artifact import find_artifact
from rec_sys.recommenders.graph.settings import GraphModelSettings

if TYPE_CHECKING:
    from torch import nn

    from rec_sys.recommenders.graph.checkpoint import TrainedGraph

# torch takes seconds to import: in the functions below, not for --help or an argument that is wrong.

FORMAT = "rec_sys export 1"
DEPLOYED_FILE = "deployed.json"  # of a repository that `triton_utils.deploy` keeps
OPSET = 20  # ONNX Runtime 1.18 and newer
EXAMPLE = {"R": 7, "N": 3, "n": 5}  # sizes the exporter sees; 0 and 1 would be taken for fixed ones


def graph_model_signature(checkpoint: TrainedGraph) -> Signature:
    """What the exported user tower of a checkpoint takes and gives."""
    model, states = checkpoint.network, checkpoint.states
    text_dim = model.text_dim if model.review_texts else 0
    return signature.graph_model(states.history.shape[1], text_dim, states.target.shape[1])


def new_products_signature(checkpoint: TrainedGraph) -> Signature:
    """What the exported product tower of texts takes and gives."""
    states = checkpoint.states
    return signature.new_products(checkpoint.network.text_dim, states.history.shape[1], states.target.shape[1])


def export_graph_model(checkpoint: TrainedGraph, path: Path) -> float:
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
    from rec_sys.modules.onnx_user_tower import PlainUserTower
    from rec_sys.modules.parity import check_graph_model

    network = PlainUserTower(checkpoint.network.user_tower.cpu().eval(), checkpoint.blend).eval()
    signature = graph_model_signature(checkpoint)
    with atomic_file(path) as temporary:
        _write_onnx(network, signature, temporary, checkpoint)
        return check_graph_model(temporary, signature, checkpoint)


def export_new_products(checkpoint: TrainedGraph, path: Path) -> float:
    """Write what turns texts into states of new products as ONNX, with a free number of texts.

    Returns:
        The largest difference from torch that was seen.

    Raises:
        CheckpointError: the model reads no texts, or as for `export_graph_model`.
        ConfigError: the extra rec-sys[onnx] is not installed.
    """
    from rec_sys.modules.parity import check_new_products

    if not checkpoint.network.text_dim:
        raise CheckpointError(f"checkpoint {checkpoint.path.name} reads no texts, so it has no product tower to export")
    signature = new_products_signature(checkpoint)
    with atomic_file(path) as temporary:
        _write_onnx(checkpoint.cold_items.cpu().eval(), signature, temporary, checkpoint)
        return check_new_products(temporary, signature, checkpoint)


def _write_onnx(network: nn.Module, signature: Signature, path: Path, checkpoint: TrainedGraph) -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ConfigError(f"exporting needs {error.name}; install the extra rec-sys[onnx]") from error
    import torch

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
    program.model.metadata_props.update(
        {"checkpoint": checkpoint.fingerprint, "checkpoint_name": checkpoint.path.name, "format": FORMAT}
    )
    program.save(path, external_data=False)


def check_model_config(path: Path, checkpoint: TrainedGraph, overrides: Sequence[str] = ()) -> None:
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
        *groups, last = key.split(".")
        group = values
        for name in groups:
            group = group.setdefault(name, {})
        group[last] = yaml.safe_load(value)
    given = _dotted(GraphModelSettings.read({str(key): value for key, value in values.items()}, "model").model_dump())
    for key, trained in _dotted(checkpoint.network.settings.model_dump()).items():
        if given[key] != trained:
            same = quoted(f"model.{key}={trained}")
            raise ConfigError(
                f"model.{key} is {given[key]} in {path}, but checkpoint {checkpoint.path.name} was trained with "
                f"{trained}; add {same} to the command, or name the config it was trained with"
            )


def _dotted(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings of all groups by their dotted names."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= _dotted(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return found


def export(
    checkpoint: Path, model_config: Path, output_path: Path, target: str = "embedded", overrides: Sequence[str] = ()
) -> tuple[list[Path], float]:
    """Write the ONNX file of the user tower; in a model repository, with the server's files of that model.

    A version that was deployed is never changed: it is compared with torch again, if it is of this checkpoint.

    Args:
        checkpoint: folder of the model, or a file of before there were folders.
        model_config: see `check_model_config`.
        output_path: any FILE.onnx, or `REPOSITORY/graph_model/VERSION/model.onnx`.
        target: "embedded" or "container"; see `rec_sys.modules.config_pbtxt`.
        overrides: of the model config.

    Returns:
        The files that were written, and the largest difference from torch that was seen.

    Raises:
        RecSysError: an argument is wrong, or the export is; nothing is written then.
    """
    serving = Serving(target=target_of(target))
    if output_path.suffix != ".onnx":
        raise ConfigError(f"output_path={output_path}: expected a file that ends with .onnx")
    model_folder = find_artifact(str(checkpoint), checkpoint.parent)
    from rec_sys.modules.parity import check_graph_model, exported_from
    from rec_sys.recommenders.graph.checkpoint import load_checkpoint

    trained = load_checkpoint(model_folder)
    check_model_config(model_config, trained, overrides)
    wanted = graph_model_signature(trained)
    folder, version = output_path.parent.parent, output_path.parent.name
    if output_path.name != MODEL_FILE or folder.name != signature.GRAPH_MODEL or not version.isdecimal():
        return [output_path], export_graph_model(trained, output_path)
    if int(version) in (deployed := _deployed(folder.parent)):
        if output_path.is_file() and exported_from(output_path) == trained.fingerprint:
            return [], check_graph_model(output_path, wanted, trained)
        raise ConfigError(
            f"output_path={output_path}: version {version} is deployed from another checkpoint",
            Remedy("deploy this one as a new version", "triton_utils.deploy", {"checkpoint": checkpoint}),
        )
    error = export_graph_model(trained, output_path)
    if deployed:  # what is served, and how, was settled by the deployment
        return [output_path], error
    write_model_files(folder, wanted, replace(serving, versions=(int(version),)), int(version))
    return [output_path, folder / CONFIG_FILE], error


def _deployed(repository: Path) -> set[int]:
    """Versions that `triton_utils.deploy` put into a repository."""
    try:
        state = orjson.loads((repository / DEPLOYED_FILE).read_bytes())
        return {int(version) for version in state["versions"]}
    except FileNotFoundError:
        return set()
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{repository / DEPLOYED_FILE} is damaged ({error}); name another repository") from error


def main(arguments: Sequence[str] | None = None) -> None:
    """Export one checkpoint's user tower."""
    parser = argparse.ArgumentParser(
        prog="rec_sys.modules.model_export", description="Export the user tower of a checkpoint for serving."
    )
    parser.add_argument("checkpoint", type=Path, help="folder of the model")
    parser.add_argument("model_config", type=Path, help="settings of the network, as config/model/model_config.yaml")
    parser.add_argument("overrides", nargs="*", help="settings that differ from those of the file: model.dim=64")
    parser.add_argument(
        "--output_path", type=Path, required=True, help="FILE.onnx or REPOSITORY/graph_model/VERSION/model.onnx"
    )
    parser.add_argument("--target", default="embedded", help=f"{' or '.join(TARGETS)}; default embedded")
    given = parser.parse_args(arguments)
    try:
        files, error = export(given.checkpoint, given.model_config, given.output_path, given.target, given.overrides)
    except RecSysError as problem:
        print(f"error: {' '.join(with_remedy(problem).split())}", file=sys.stderr)
        raise SystemExit(2) from None
    print("\n".join(map(str, files)) or f"{given.output_path} is deployed and of this checkpoint; left as it is")
    print(f"largest difference from torch: {error:.1e}")


if __name__ == "__main__":
    main()
