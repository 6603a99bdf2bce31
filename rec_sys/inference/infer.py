"""Recommendations for known users, or for new ones described by their reviews.

uv run -m rec_sys.inference.infer                                    # a few known users
uv run -m rec_sys.inference.infer users=[A1,B2] k=5
uv run -m rec_sys.inference.infer users=all output=recommendations.parquet
uv run -m rec_sys.inference.infer reviews=my_reviews.json            # or reviews=- for standard input
uv run -m rec_sys.inference.infer recommender=ease history=[P1,P2]   # another model; products, oldest first
uv run -m rec_sys.inference.infer reviews=- triton=127.0.0.1:8001    # computed by a server
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from omegaconf import DictConfig
from pydantic import Field, field_validator

from rec_sys.arrays import Ints
from rec_sys.closest import did_you_mean
from rec_sys.command import command, register_schema
from rec_sys.dataset.dataset import Dataset, load_data_again
from rec_sys.dataset.kept_paths import with_found_paths
from rec_sys.errors import CheckpointError, ConfigError, DataError
from rec_sys.inference.data_form import DataForm
from rec_sys.inference.local import graph_encoder_of, recommender_of, review_vectors
from rec_sys.inference.output import check_output, describe, write_recommendations
from rec_sys.inference.read_reviews import read_users
from rec_sys.inference.recommend import Recommendations
from rec_sys.inference.recommender_answers import (
    answer_for_everybody,
    answer_to_history,
    answers_for_known,
    answers_for_new,
)
from rec_sys.inference.remote import connect
from rec_sys.inference.users import User, known_users
from rec_sys.paths import Paths
from rec_sys.progress import ProgressCallback, Stage
from rec_sys.recommenders.artifact import find_artifact, kind_of
from rec_sys.recommenders.base import Recommender
from rec_sys.recommenders.graph.stored import KIND, StoredGraph, read_stored
from rec_sys.recommenders.graph.trained_encoder import LazyTextEncoder, encoder_settings_of, settings_of
from rec_sys.recommenders.registry import load, names, recommender_class
from rec_sys.settings import Settings, read_settings
from rec_sys.terminal import ProgressBars
from rec_sys.text.text_encoder import NoTexts
from rec_sys.vector_database.storage import load_vector_base, vector_base_folder

FEW = 3  # known users shown when nobody is asked for

Recommend = Callable[[Sequence[User], int], list[Recommendations]]


class InferSettings(Settings):
    """Whom to recommend to, and what to do with it."""

    users: list[str] | Literal["all"] | None = Field(None, description="ids of known users, or all")
    reviews: str | None = Field(None, description="JSON file with reviews of new users; - reads standard input")
    k: int = Field(10, description="products per user")
    output: Path | None = Field(None, description="file to write, .jsonl or .parquet; none: print")
    history: list[str] | None = Field(None, description="ids of products that a new user has, oldest first")
    checkpoint: str = Field("", description="name or path; empty: the newest good one")
    exclude_seen: bool = Field(True, description="leave out the products a user has; the graph model always does")
    recommender: str = Field("", description="kind that the newest one must be, such as svd; empty: any")
    triton: str = Field("", description="HOST:PORT of a Triton server that computes; empty: here")
    device: Literal["cpu", "auto"] = Field("auto", description="auto: torch on CUDA where there is one, else numpy")
    batch_size: int = Field(256, ge=1, description="users computed at once")
    paths: Paths = Field(default_factory=Paths, description="where to read and write")

    @field_validator("users", mode="before")
    @classmethod
    def _texts(cls, users: Any) -> Any:
        """Ids that look like numbers are ids all the same."""
        if users is None or users == "all":
            return users
        return [str(user) for user in (users if isinstance(users, list) else [users])]

    @field_validator("recommender", mode="before")
    @classmethod
    def _name(cls, recommender: Any) -> Any:
        """On the command line the choice of config/recommender, of which the name counts here."""
        return recommender["name"] if isinstance(recommender, dict) else recommender or ""

    @field_validator("history", mode="before")
    @classmethod
    def _ids(cls, history: Any) -> Any:
        if history is None:
            return None
        return [str(each) for each in (history if isinstance(history, list) else [history])]

    @field_validator("reviews", mode="before")
    @classmethod
    def _text(cls, reviews: Any) -> Any:
        return None if reviews is None else str(reviews)


register_schema("infer", InferSettings)
register_schema("paths", Paths)


def infer(settings: InferSettings, progress: ProgressCallback | None = None) -> Iterator[list[Recommendations]]:
    """Recommendations, batch by batch.

    Args:
        settings: whom to recommend to.
        progress: told how many users are done.

    Raises:
        ConfigError: settings contradict each other, or k is less than 1.
        CheckpointError: there is no checkpoint.
        VectorBaseError: the vector base is missing, damaged or of another checkpoint.
        DataError: the reviews cannot be read, or the data of the training is not what it was.
        UnknownIdError: a known user is asked for whom the data does not hold.
        RecSysError: the server cannot be asked.
    """
    _check(settings)
    paths = settings.paths
    size = settings.batch_size
    if settings.reviews is not None and settings.triton and not settings.checkpoint:  # the server has all it takes
        with connect("triton", settings.triton) as server:
            users = read_users(settings.reviews, server.data_form())
        with _by_server(settings.triton, None) as recommend:
            for start in range(0, len(users), size):
                yield recommend(users[start : start + size], settings.k)
        return
    path = chosen_model(settings)
    if kind_of(path) != KIND:
        yield from _with_recommender(load(path), settings, progress)
        return
    _check_for_graph(settings)
    checkpoint = read_stored(path)
    with _by_server(settings.triton, checkpoint) if settings.triton else _here(settings, checkpoint) as recommend:
        if settings.reviews is not None:
            users = read_users(settings.reviews, DataForm.of_model(checkpoint.info))
            for start in range(0, len(users), size):
                yield recommend(users[start : start + size], settings.k)
            return
        data = data_of(checkpoint, paths)
        numbers = _numbers(settings, data)
        review_text = review_vectors(checkpoint, data, paths)
        read_texts = settings.output is None or bool(settings.triton)  # to show them, or to send them
        stage = Stage("recommend", len(numbers), "users", progress)
        for start in range(0, len(numbers), size):
            batch = known_users(data.table, numbers[start : start + size], review_text, read_texts)
            yield recommend(batch, settings.k)
            stage.advance(len(batch))


def chosen_model(settings: InferSettings) -> Path:
    """The trained model that answers.

    Raises:
        CheckpointError: there is none.
    """
    kind = KIND if settings.triton else settings.recommender
    return find_artifact(settings.checkpoint, settings.paths.checkpoints, kind)


def _with_recommender(
    model: Recommender, settings: InferSettings, progress: ProgressCallback | None
) -> Iterator[list[Recommendations]]:
    """Answers of another recommender than the graph model."""
    k, exclude_seen, size = settings.k, settings.exclude_seen, settings.batch_size
    if settings.reviews is not None:
        users = read_users(settings.reviews, DataForm.of_model(model.info))
        for start in range(0, len(users), size):
            yield answers_for_new(model, users[start : start + size], k, exclude_seen)
    elif settings.history is not None:
        yield answer_to_history(model, settings.history, k, exclude_seen)
    elif settings.users is None and not model.is_personal:
        yield answer_for_everybody(model, k)
    else:
        asked = model.data.table.users
        numbers = _numbers(settings, model.data)
        yield from answers_for_known(model, [asked.id(int(n)) for n in numbers], k, exclude_seen, size, progress)


@contextmanager
def _here(settings: InferSettings, checkpoint: StoredGraph) -> Iterator[Recommend]:
    """Compute in this process."""
    base = load_vector_base(vector_base_folder(checkpoint.path, settings.paths), checkpoint)
    encoder = LazyTextEncoder(checkpoint, settings.paths) if checkpoint.text_dim else NoTexts()
    yield recommender_of(checkpoint, base, encoder, graph_encoder_of(checkpoint, settings.device)).recommend


@contextmanager
def _by_server(address: str, checkpoint: StoredGraph | None) -> Iterator[Recommend]:
    """Ask a server, which must have deployed this checkpoint; None: whichever it has."""
    with connect("triton", address) as server:

        def recommend(users: Sequence[User], k: int) -> list[Recommendations]:
            answer = server.served(users, k)
            if checkpoint is not None and answer.model != checkpoint.fingerprint:
                raise CheckpointError(
                    f"the server at {address} answers with checkpoint {answer.model[:12]}, but the one here is "
                    f"{checkpoint.path.name} ({checkpoint.fingerprint[:12]}); deploy it, or name the other: checkpoint="
                )
            return answer.recommendations

        yield recommend


def data_of(checkpoint: StoredGraph, paths: Paths) -> Dataset:
    """The data a checkpoint was trained on.

    Raises:
        DataError: what is here now is other data.
        CheckpointError: the checkpoint does not say what it was trained on.
    """
    trained = checkpoint.info.get("data", {})
    settings = with_found_paths(settings_of(checkpoint, "data"), paths)
    data = load_data_again(settings, encoder_settings_of(checkpoint), paths, trained)
    if not data.is_what_was(trained):
        raise DataError(
            f"checkpoint {checkpoint.path.name} was trained on the data {trained.get('name')} "
            f"({str(trained.get('fingerprint'))[:12]}), but what is here now is {data.name} "
            f"({data.table.fingerprint[:12]}); bring the old files back, train again, or give reviews=FILE"
        )
    return data


def _check_for_graph(settings: InferSettings) -> None:
    """Refuse what the graph model is not asked with."""
    if settings.history is not None:
        raise ConfigError(
            "the graph model is asked with reviews: give reviews=FILE instead of history=[...], or another model with "
            "recommender=NAME"
        )
    if not settings.exclude_seen:
        raise ConfigError(
            "exclude_seen=false has no effect on the graph model, which leaves out what a user has; name another "
            "model with recommender=NAME"
        )


def _check(settings: InferSettings) -> None:
    given = [name for name in ("users", "reviews", "history") if getattr(settings, name) is not None]
    if len(given) > 1:
        raise ConfigError(f"{' and '.join(given)} are given; expected known users or new ones: leave one out")
    if settings.recommender and settings.recommender not in names():
        raise ConfigError(
            f"recommender={settings.recommender} is unknown; {did_you_mean(settings.recommender, names())}"
        )
    if settings.triton and settings.recommender not in ("", KIND):
        raise ConfigError(f"triton={settings.triton} serves the graph model; leave recommender or triton out")
    if settings.users == []:
        raise ConfigError("users=[] names nobody; give users=[ID,...], users=all, or leave it out")
    if settings.users == "all" and settings.output is None:
        raise ConfigError("users=all needs a file to write: output=recommendations.parquet, or .jsonl")
    if settings.k < 1:
        raise ConfigError(f"k={settings.k}: at least one product must be asked for; give k=1 or more")
    if settings.output is not None:
        check_output(settings.output)


def _numbers(settings: InferSettings, data: Dataset) -> Ints:
    """User numbers of the known users asked for."""
    if settings.users is None:
        return data.named_users()[:FEW]
    if settings.users == "all":
        return data.named_users()
    return data.table.users.numbers(settings.users)


@command("infer_config", level=logging.WARNING)
def main(cfg: DictConfig) -> None:
    """Print recommendations, or write them to a file."""
    settings = read_settings(cfg, InferSettings, "")
    if settings.output is not None:
        users = write_recommendations(settings.output, infer(settings, ProgressBars()))
        print(f"{users:,} users, up to {settings.k:,} products each: {settings.output}")
        return
    batches = infer(settings)
    first = next(batches, [])  # what is wrong with the settings is said before anything else
    if not settings.triton and kind_of(path := chosen_model(settings)) != KIND:
        print(f"{recommender_class(kind_of(path)).name}, model {path.name}\n")
    for batch in chain([first], batches):
        for result in batch:
            print(describe(result), end="\n\n")


if __name__ == "__main__":
    main()
