"""Build one version of the model repository from a checkpoint, and check it against torch before anybody sees it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import orjson

from rec_sys.errors import CheckpointError
from rec_sys.files import sha256_of
from rec_sys.inference.data_form import DataForm
from rec_sys.inference.local import all_history
from rec_sys.inference.onnx_encoder import OnnxGraphEncoder
from rec_sys.inference.recommend import Answer, ReviewRecommender
from rec_sys.inference.served import Served, load_served, save_served
from rec_sys.inference.torch_encoder import TorchGraphEncoder
from rec_sys.inference.users import Review, User
from rec_sys.modules.config_pbtxt import MODEL_FILE, ONNX_MODELS, Target
from rec_sys.modules.model_export import export_graph_model, export_new_products
from rec_sys.modules.parity import NEARLY_EQUAL, TOLERANCE
from rec_sys.modules.signature import GRAPH_MODEL, NEW_PRODUCTS, RECOMMEND, TEXT_ENCODER
from rec_sys.paths import Paths
from rec_sys.recommenders.graph.checkpoint import TrainedGraph
from rec_sys.recommenders.graph.trained_encoder import encoder_of
from rec_sys.text.encoder_export import export_text_encoder, served_fingerprint
from rec_sys.text.onnx_text_encoder import ABOUT_FILE, OnnxTextEncoder
from rec_sys.text.text_encoder import NoTexts, TextEncoder
from rec_sys.vector_database.index import NONE, VectorBase
from triton_utils.repository.versions import Shape, write_model_py

SAMPLE_PEOPLE = 20  # of the whole way that is compared with torch
SAMPLE_K = 10  # ranks that are compared
SAMPLE_MORE = 16  # ranks below them from which a product of nearly the same score may come up


def shape_of(checkpoint: TrainedGraph) -> Shape:
    """The lengths from which the signatures of a checkpoint follow."""
    model, states = checkpoint.network, checkpoint.states
    return Shape(
        history_dim=states.history.shape[1],
        text_dim=model.text_dim,
        review_texts=model.review_texts,
        dim=states.target.shape[1],
    )


def build(
    folder: Path, version: int, checkpoint: TrainedGraph, base: VectorBase, paths: Paths, target: Target = "embedded"
) -> None:
    """Write the folders of one version, and compare what they answer with torch.

    Args:
        folder: empty; laid out like a repository.
        version: of all models.
        checkpoint: what is served.
        base: its vector base.
        paths: where the encoder's files are kept.
        target: which server the models are made for.

    Raises:
        CheckpointError: what was exported does not answer as torch does.
        EncoderError: the text encoder cannot be had or exported.
    """
    graph = TorchGraphEncoder(checkpoint)
    number = str(version)
    files = [folder / GRAPH_MODEL / number / MODEL_FILE]
    export_graph_model(checkpoint, files[0])
    encoder_fingerprint = ""
    if graph.text_dim:
        files.append(folder / NEW_PRODUCTS / number / MODEL_FILE)
        export_new_products(checkpoint, files[-1])
        encoder_folder = folder / TEXT_ENCODER / number
        encoder_fingerprint = place_encoder(checkpoint, paths, encoder_folder)
        files += sorted(encoder_folder.iterdir())
    served = Served(
        version=version,
        checkpoint=checkpoint.fingerprint,
        checkpoint_name=checkpoint.path.name,
        encoder=encoder_fingerprint,
        text_dim=graph.text_dim,
        review_texts=graph.review_texts,
        max_history=graph.max_history,
        data_form=DataForm.of_model(checkpoint.info),
    )
    save_served(folder / RECOMMEND / number, served, base, all_history(checkpoint.stored().history, base, graph), files)
    for model in folder.iterdir():
        if target == "embedded" or model.name not in ONNX_MODELS:
            write_model_py(model / number, model.name)
    verify(folder, version, checkpoint)


def place_encoder(checkpoint: TrainedGraph, paths: Paths, folder: Path) -> str:
    """Link the exported text encoder of a checkpoint into a folder; it is exported once and kept beside the cache.

    Returns:
        Its fingerprint.

    Raises:
        EncoderError: it cannot be had, is not that of the training, or cannot be exported.
    """
    encoder = encoder_of(checkpoint.stored(), paths)
    if isinstance(encoder, NoTexts):
        return ""
    fingerprint = served_fingerprint(encoder)
    exported = paths.embeddings / f"served-{fingerprint}"
    if not _intact(exported):
        export_text_encoder(encoder, exported)
    folder.mkdir(parents=True)
    for file in exported.iterdir():
        try:
            (folder / file.name).hardlink_to(file)
        except OSError:  # another disk, or one without links
            shutil.copyfile(file, folder / file.name)
    return fingerprint


def _intact(exported: Path) -> bool:
    """Whether an encoder that was exported earlier is still what was written."""
    try:
        sums = orjson.loads((exported / ABOUT_FILE).read_bytes())["sha256"]
        return all(sha256_of(exported / name) == expected for name, expected in sums.items())
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
        return False


def verify(folder: Path, version: int, checkpoint: TrainedGraph) -> None:
    """Read a version back as a server does, and compare whole answers with torch.

    Raises:
        CheckpointError: other products, reasons or notes, or numbers that differ by more than TOLERANCE.
        RepositoryError: a file of the version is damaged.
    """
    number = str(version)
    whole = load_served(folder / RECOMMEND / number)
    served = whole.served
    encoder: TextEncoder = OnnxTextEncoder(folder / TEXT_ENCODER / number) if served.text_dim else NoTexts()
    product_tower = folder / NEW_PRODUCTS / number / MODEL_FILE if served.text_dim else None
    onnx = OnnxGraphEncoder(folder / GRAPH_MODEL / number / MODEL_FILE, product_tower, served.max_history, threads=1)
    if onnx.checkpoint != checkpoint.fingerprint:
        raise CheckpointError(f"{folder / GRAPH_MODEL} was exported from {onnx.checkpoint[:12]}; deploy again")
    users = sample_users(whole.base, served.max_history)
    exported, expected = (
        ReviewRecommender(graph, whole.base, whole.history, encoder, served.data_form).answer(
            users, SAMPLE_K + SAMPLE_MORE
        )
        for graph in (onnx, TorchGraphEncoder(checkpoint))
    )
    for row, user in enumerate(users):
        if wrong := difference(exported, expected, row):
            raise CheckpointError(
                f"what was exported from checkpoint {checkpoint.path.name} recommends otherwise than torch does to "
                f"{user.user_id!r}: {wrong}. Nothing was deployed"
            )


def difference(exported: Answer, expected: Answer, row: int) -> str:
    """How one person's first SAMPLE_K products, reasons or note differ, in words; "" where they are equal.

    Args:
        exported: what the exported models answer.
        expected: what torch answers.
        row: of the person.

    Products whose scores in torch are closer than NEARLY_EQUAL may change places.
    """
    if exported.note[row] != expected.note[row]:
        return f"the note is {exported.note[row]!r}; expected {expected.note[row]!r}"
    if not np.array_equal(exported.reviewed[row], expected.reviewed[row]):
        return "other products are taken for the reviewed ones"
    rank_of = {number: rank for rank, number in enumerate(expected.number[row].tolist()) if number != NONE}
    ranks = []  # in torch's answer, of the exported model's products
    for rank, number in enumerate(exported.number[row, :SAMPLE_K].tolist()):
        place = rank if number == NONE else rank_of.get(number)
        near = place is not None and abs(expected.score[row, place] - expected.score[row, rank]) <= NEARLY_EQUAL
        if place is None or not (place == rank or near):
            return f"rank {rank + 1} is product {number}; expected {expected.number[row, rank]}"
        ranks.append(place)
    first = slice(len(ranks))
    for name, values, references in (
        ("scores", exported.score[row, first], expected.score[row, ranks]),
        ("stars", exported.stars[row, first], expected.stars[row, ranks]),
        ("attention", exported.attention[row], expected.attention[row]),
    ):
        if not np.array_equal(np.isnan(values), np.isnan(references)):
            return f"{name} are no numbers at other places"
        error = float(np.abs(values - references)[~np.isnan(references)].max(initial=0))
        if not error <= TOLERANCE:
            return f"{name} differ by {error:.1e}; expected at most {TOLERANCE:.0e}"
    return ""


def sample_users(base: VectorBase, max_history: int) -> list[User]:
    """People with everything that can be known or not: products, texts, ratings, times, nothing at all."""
    generator = np.random.default_rng(0)
    users = [User("nothing known")]
    for row in range(SAMPLE_PEOPLE):
        reviews = []
        for number in generator.integers(0, len(base), int(generator.integers(1, max_history + 3))).tolist():
            known, rated, dated, said = (generator.random(4) < 0.8).tolist()
            reviews.append(
                Review(
                    product_id=base.products.id(number) if known else "",
                    text=f"{base.names[number]}: as good as I hoped, would buy again" if said else "",
                    rating=float(generator.integers(1, 6)) if rated else None,
                    timestamp=int(generator.integers(1_200_000_000, 1_700_000_000)) if dated else None,
                    product_name="" if known else f"another {base.names[number]}",
                )
            )
        users.append(User(f"person {row}", reviews))
    return users
