"""Sets of which nobody wrote anything, from the file to the answer, and sets whose products alone have texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hydra
import numpy as np
import orjson
import pytest

import rec_sys.train.train  # registers the schemas  # noqa: F401
from rec_sys.command import CONFIG_FOLDER
from rec_sys.errors import CheckpointError
from rec_sys.evaluation.evaluate import EvaluateSettings, compare
from rec_sys.inference.infer import InferSettings, infer
from rec_sys.inference.recommend import UNREAD, UNREAD_REVIEWS, Recommendations
from rec_sys.paths import Paths
from rec_sys.recommenders.graph.checkpoint import TrainedGraph, load_checkpoint
from rec_sys.settings import read_settings
from rec_sys.train.run import train
from rec_sys.vector_database.create_vectorbase import CreateSettings, create_vectorbase
from tests.support.toy import checkerboard

NAMES = ("Harp of {} bronze strings", "Loud drum with {} cymbals")
NOWHERE = "encoder.name=no-such-encoder"  # whoever asks for an encoder fails


def composed(command: str, folder: Path, *overrides: str) -> Any:
    given = ["data=interactions", f"data.path={folder / 'taken.csv'}", f"paths.work_dir={folder}"]
    with hydra.initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
        return hydra.compose(command, [*given, *overrides])


def trained(folder: Path, *overrides: str) -> TrainedGraph:
    """Even users took even products; the file has their order and nothing else."""
    table = checkerboard(num_users=80, num_products=40, likes=8)
    rows = [
        f"{table.users.id(int(u))},{table.products.id(int(p))}" for u, p in zip(table.user, table.product, strict=True)
    ]
    (folder / "taken.csv").write_text("\n".join(["user,item", *rows]))
    options = ["train.name=toy", "train.max_epochs=4", "model.dim=32", "model.heads=2", "train.accelerator=cpu"]
    checkpoint = train(composed("train_config", folder, *options, *overrides)).checkpoint
    create_vectorbase(CreateSettings(paths=Paths(work_dir=folder)))
    return load_checkpoint(checkpoint)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bare")
    checkpoint = trained(folder, NOWHERE)
    assert (checkpoint.network.text_dim, checkpoint.network.review_texts) == (0, False)
    assert checkpoint.info["encoder"]["fingerprint"] == ""
    return folder


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("described")
    products = [{"item": f"p{n}", "title": NAMES[n % 2].format(n)} for n in range(40)]
    (folder / "products.jsonl").write_bytes(b"\n".join(map(orjson.dumps, products)))
    checkpoint = trained(folder, f"data.metadata={folder / 'products.jsonl'}")
    assert (checkpoint.network.text_dim, checkpoint.network.review_texts) == (384, False)
    return folder


def ask(folder: Path, reviews: list[dict[str, Any]] | None = None, **settings: Any) -> Recommendations:
    if reviews is not None:
        (folder / "mine.json").write_bytes(orjson.dumps([{"user_id": "new", **review} for review in reviews]))
        settings["reviews"] = str(folder / "mine.json")
    (batch,) = infer(InferSettings(paths=Paths(work_dir=folder), **settings))
    return batch[0]


def scores(result: Recommendations) -> dict[str, float]:
    return {item.product_id: item.score for item in result.items}


def taken(folder: Path, user: str) -> list[str]:
    rows = [line.split(",") for line in (folder / "taken.csv").read_text().splitlines()[1:]]
    return [item for who, item in rows if who == user]


def test_a_known_user_and_a_new_one_who_took_the_same(bare: Path) -> None:
    known = ask(bare, users=["u4"], k=12)
    assert len(known.items) == 12
    assert known.note == ""
    even = [int(item.product_id[1:]) % 2 == 0 for item in known.items]
    assert np.mean(even[:5]) > 0.7  # chance is 12 of 32
    new_user = ask(bare, [{"product_id": item} for item in taken(bare, "u4")], k=12)
    assert scores(new_user) == pytest.approx(scores(known), abs=1e-5)
    assert list(scores(new_user)) == list(scores(known))


def test_of_texts_it_says_that_they_were_not_read(bare: Path) -> None:
    plain = ask(bare, [{"product_id": "p2"}, {"product_id": "p8"}])
    worded = ask(bare, [{"product_id": "p2", "text": "I love harps"}, {"product_id": "p8"}])
    assert scores(worded) == scores(plain)
    assert (plain.note, worded.note) == ("", UNREAD)
    assert len(ask(bare, [{"product_id": "unknown", "product_name": "Harp"}]).items) == 10
    assert len(ask(bare, []).items) == 10


def test_what_has_no_text_cannot_be_added(bare: Path) -> None:
    (bare / "new.jsonl").write_bytes(orjson.dumps({"asin": "NEW", "title": "Kite"}))
    with pytest.raises(CheckpointError, match=r"add_products=.*toy "):
        create_vectorbase(CreateSettings(paths=Paths(work_dir=bare), add_products=bare / "new.jsonl"))


def test_the_evaluation_takes_its_checkpoint(bare: Path) -> None:
    cfg = composed("evaluate_config", bare, "models=[popularity]", "checkpoint=toy", "part=valid", NOWHERE)
    found = compare(read_settings(cfg, EvaluateSettings, ""))
    popular, ours = found.reports.values()
    assert ours.filtered["ndcg@10"] > popular.filtered["ndcg@10"]


def test_texts_of_products_alone_describe_new_ones(described: Path) -> None:
    known = ask(described, users=["u4"], k=12)
    new_user = ask(described, [{"product_id": item} for item in taken(described, "u4")], k=12)
    assert scores(new_user) == pytest.approx(scores(known), abs=1e-5)
    assert known.note == new_user.note == ""
    assert known.items[0].name == NAMES[0].format(known.items[0].product_id[1:])
    harp, drum = (ask(described, [{"product_name": name.format("many")}], k=40) for name in NAMES)
    assert harp.note == drum.note == ""
    assert scores(harp) != scores(drum)
    by_text = ask(described, [{"product_id": "unknown", "text": NAMES[0].format("many")}], k=40)
    assert by_text.note == "products that the catalogue lacks (unknown) count through their texts"
    assert scores(by_text) == pytest.approx(scores(harp), abs=1e-5)


def test_texts_of_reviews_are_then_not_read_and_it_says_so(described: Path) -> None:
    plain, worded = (ask(described, [{"product_id": "p2", **more}]) for more in ({}, {"text": "I want a drum"}))
    assert scores(worded) == scores(plain)
    assert (plain.note, worded.note) == ("", UNREAD_REVIEWS)


def test_products_can_then_be_added(described: Path) -> None:
    (described / "new.jsonl").write_bytes(orjson.dumps({"asin": "NEW", "title": NAMES[0].format("more")}))
    settings = CreateSettings(paths=Paths(work_dir=described), add_products=described / "new.jsonl")
    assert create_vectorbase(settings).base.num_added == 1
    even = [{"product_id": item} for item in taken(described, "u4")]
    assert "NEW" in scores(ask(described, even, k=33))


def test_a_model_that_shall_not_read_the_texts_there_are(described: Path, tmp_path: Path) -> None:
    (tmp_path / "products.jsonl").write_bytes((described / "products.jsonl").read_bytes())
    checkpoint = trained(tmp_path, f"data.metadata={tmp_path / 'products.jsonl'}", "model.texts=false")
    assert checkpoint.network.text_dim == 0
    known = ask(tmp_path, users=["u4"])
    new_user = ask(tmp_path, [{"product_id": item} for item in taken(tmp_path, "u4")])
    assert scores(new_user) == pytest.approx(scores(known), abs=1e-5)
