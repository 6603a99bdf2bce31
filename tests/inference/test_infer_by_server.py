"""The option triton=HOST:PORT of infer, against a small server that speaks Triton's protocol."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from rec_sys.errors import CheckpointError, ConfigError
from rec_sys.inference.infer import InferSettings, infer
from rec_sys.inference.local import recommender_of
from rec_sys.inference.output import write_recommendations
from rec_sys.inference.recommend import Recommendations
from rec_sys.inference.remote import connect
from rec_sys.inference.users import Review, User
from rec_sys.paths import Paths
from rec_sys.recommenders.graph.stored import read_stored
from rec_sys.recommenders.graph.trained_encoder import encoder_of
from rec_sys.vector_database.storage import load_vector_base, vector_base_folder
from tests.inference.test_infer import HEADER, data_of, raw_rows, save_all
from tests.support.small_server import SmallServer, small_server
from triton_utils.client.attempts import CallSettings
from triton_utils.errors import Unreachable


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    with (folder / "reviews.csv").open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *raw_rows()])
    save_all(folder, data_of(folder))
    return folder


@pytest.fixture(scope="module")
def server(work: Path) -> Iterator[SmallServer]:
    paths = Paths(work_dir=work)
    checkpoint = read_stored(paths.checkpoints / "small")
    base = load_vector_base(vector_base_folder(checkpoint.path, paths), checkpoint)
    recommender = recommender_of(checkpoint, base, encoder_of(checkpoint, paths))
    with small_server(recommender, checkpoint.fingerprint) as running:
        yield running


def ask(work: Path, **settings: Any) -> list[Recommendations]:
    return [result for batch in infer(InferSettings(paths=Paths(work_dir=work), **settings)) for result in batch]


@pytest.mark.parametrize("settings", [{"users": ["A4", "A1"]}, {"users": None}, {"users": ["A2"], "batch_size": 1}])
def test_known_users(work: Path, server: SmallServer, settings: dict[str, Any]) -> None:
    here = ask(work, k=4, **settings)
    there = ask(work, k=4, triton=server.address, **settings)
    for mine, its in zip(there, here, strict=True):
        assert [item.product_id for item in mine.items] == [item.product_id for item in its.items]
        np.testing.assert_allclose([i.score for i in mine.items], [i.score for i in its.items], atol=1e-5)
        assert [(r.name, r.excerpt) for r in mine.why] == [(r.name, r.excerpt) for r in its.why]
        assert (mine.user_id, mine.note) == (its.user_id, its.note)


def test_all_users_into_a_file(work: Path, server: SmallServer, tmp_path: Path) -> None:
    """Texts are sent even where they are not shown."""
    settings = InferSettings(paths=Paths(work_dir=work), users="all", output=tmp_path / "all.jsonl", k=3)
    assert write_recommendations(tmp_path / "here.jsonl", infer(settings)) == 6
    there = settings.model_copy(update={"triton": server.address})
    assert write_recommendations(tmp_path / "there.jsonl", infer(there)) == 6
    here, by_server = (
        [orjson.loads(line)["items"] for line in (tmp_path / name).read_bytes().splitlines()]
        for name in ("here.jsonl", "there.jsonl")
    )
    assert [[item["product_id"] for item in items] for items in by_server] == [
        [item["product_id"] for item in items] for items in here
    ]


def test_new_users_need_nothing_but_the_server(work: Path, server: SmallServer, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_bytes(b'[{"asin": "B1", "reviewText": "A loud drum", "overall": 5}]')
    expected = ask(work, reviews=str(file), k=3)
    (found,) = ask(tmp_path / "nothing here", reviews=str(file), k=3, triton=server.address)
    assert [item.product_id for item in found.items] == [item.product_id for item in expected[0].items]


def test_a_server_with_another_checkpoint(work: Path, server: SmallServer) -> None:
    fingerprint, server.fingerprint = server.fingerprint, "f" * 64
    try:
        with pytest.raises(CheckpointError, match=r"answers with checkpoint ffffffffffff, but the one here is small"):
            ask(work, users=["A1"], triton=server.address)
    finally:
        server.fingerprint = fingerprint


def test_servers_that_cannot_be_asked(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="expected HOST:PORT"):
        ask(work, users=["A1"], triton="somewhere")
    with pytest.raises(ConfigError, match=r"no client of 'seldon' is installed \(known: triton\)"):
        connect("seldon", "127.0.0.1:1")
    monkeypatch.setattr("triton_utils.client.sync_client.PATIENT", CallSettings(tries=1))
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"), connect("triton", "127.0.0.1:9") as server:
        server.served([User("me", [Review("B")])], 1)
