"""The commands create_vectorbase and infer over a small file of reviews, read, embedded and cached for real."""

from __future__ import annotations

import csv
import io
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl
import pytest

from rec_sys.dataset.dataset import Dataset, load_data
from rec_sys.dataset.settings import DataSettings
from rec_sys.errors import CheckpointError, ConfigError, DataError, RecSysError, UnknownIdError, VectorBaseError
from rec_sys.ids import NEW_USER
from rec_sys.inference import infer as infer_command
from rec_sys.inference.infer import InferSettings, infer
from rec_sys.inference.output import describe, write_recommendations
from rec_sys.inference.recommend import Recommendations
from rec_sys.paths import Paths
from rec_sys.recommenders.graph.checkpoint import load_checkpoint, save_checkpoint
from rec_sys.recommenders.graph.stored import read_stored
from rec_sys.text.settings import EncoderSettings
from rec_sys.vector_database import create_vectorbase
from rec_sys.vector_database.index import VectorBase
from rec_sys.vector_database.storage import save_vector_base
from tests.support.old_checkpoint import save_old_checkpoint
from tests.support.toy_checkpoint import toy_checkpoint

HEADER = ["reviewerID", "asin", "overall", "summary", "reviewText", "unixReviewTime"]
WORDS = ["strings", "drum", "amp", "cable", "stand", "pick", "harp", "case"]


def raw_rows() -> list[list[str]]:
    rows = []
    for user in range(6):
        for place in range(4):
            thing = (user + place * (1 + user % 2)) % len(WORDS)
            rows.append(
                [
                    f"A{user}",
                    f"B{thing}",
                    str(5 - place % 3),
                    f"My {WORDS[thing]}",
                    f"No {place}",
                    f"{1_400_000_000 + 86_400 * place}",
                ]
            )
    return rows


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder with data, checkpoint and vector base."""
    folder = tmp_path_factory.mktemp("work")
    with (folder / "reviews.csv").open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *raw_rows()])
    data = data_of(folder)
    save_all(folder, data)
    return folder


def data_settings(folder: Path) -> DataSettings:
    return DataSettings(name="file", path=str(folder / "reviews.csv"))


def data_of(folder: Path) -> Dataset:
    encoder = EncoderSettings(backend="float32")
    return load_data(data_settings(folder), encoder, Paths(work_dir=folder))


def save_all(folder: Path, data: Dataset) -> None:
    settings = {
        "data": data_settings(folder).model_dump(mode="json"),
        "encoder": EncoderSettings(backend="float32").model_dump(mode="json"),
    }
    info = data.facts() | {"settings": settings, "encoder": data.vectors.encoder}
    review_text = np.asarray(data.review_text, dtype=np.float32)
    checkpoint = toy_checkpoint(folder / "checkpoints/small", data.table, review_text, info=info)
    save_vector_base(VectorBase.of_model(checkpoint.stored()), checkpoint.path / "vector_base")


def ask(work: Path, **settings: Any) -> list[Recommendations]:
    return [result for batch in infer(InferSettings(paths=Paths(work_dir=work), **settings)) for result in batch]


def test_without_a_user_a_few_known_ones_are_shown(work: Path) -> None:
    results = ask(work)
    assert [result.user_id for result in results] == ["A0", "A1", "A2"]
    text = describe(results[0])
    assert "Product B" in text
    assert "besides those reviewed" in text
    for reason in results[0].why:
        assert f'{reason.attention:4.0%}  {reason.name}: "{reason.excerpt}"' in text
    assert {reason.excerpt for reason in results[0].why} < {f"My {WORDS[n]} No {n}" for n in range(4)}


def test_known_users_and_the_same_reviews_sent_by_new_ones(work: Path, tmp_path: Path) -> None:
    """The one path, from the raw file on: table, cache and half precision change nothing."""
    known = ask(work, users=["A4", "A1"], k=4)
    assert [result.user_id for result in known] == ["A4", "A1"]
    rows = [dict(zip(HEADER, row, strict=True)) for row in raw_rows() if row[0] in ("A4", "A1")]
    file = tmp_path / "mine.json"
    file.write_bytes(orjson.dumps(rows))
    sent = {result.user_id: result for result in ask(work, reviews=str(file), k=4)}
    for result in known:
        other = sent[result.user_id]
        assert [item.product_id for item in other.items] == [item.product_id for item in result.items]
        np.testing.assert_allclose([i.score for i in other.items], [i.score for i in result.items], atol=1e-5)
        assert [reason.excerpt for reason in other.why] == [reason.excerpt for reason in result.why]


@pytest.mark.parametrize("batch_size", [4, 256])
def test_all_users_into_a_file(work: Path, tmp_path: Path, batch_size: int) -> None:
    paths = Paths(work_dir=work)
    expected = {result.user_id: result for result in ask(work, users=[f"A{n}" for n in range(6)], k=3)}
    for suffix in ("parquet", "jsonl"):
        output = tmp_path / "new" / f"all.{suffix}"
        settings = InferSettings(paths=paths, users="all", output=output, k=3, batch_size=batch_size)
        assert write_recommendations(output, infer(settings)) == 6
    lines = [orjson.loads(line) for line in (tmp_path / "new/all.jsonl").read_bytes().splitlines()]
    assert [line["user_id"] for line in lines] == list(expected)
    frame = pl.read_parquet(tmp_path / "new/all.parquet")
    assert frame.columns == ["user_id", "rank", "product_id", "name", "score", "stars"]
    for line in lines:
        ids = [item.product_id for item in expected[line["user_id"]].items]
        assert [item["product_id"] for item in line["items"]] == ids
        assert [reason["product_id"] for reason in line["why"]]
        mine = frame.filter(pl.col("user_id") == line["user_id"])
        assert mine["product_id"].to_list() == ids
        assert mine["rank"].to_list() == [1, 2, 3]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["all.jsonl", "all.parquet"]


def test_a_file_that_cannot_be_finished_leaves_the_old_one(tmp_path: Path) -> None:
    output = tmp_path / "all.jsonl"
    output.write_text("old")

    def broken() -> Any:
        yield [Recommendations("a", [], [])]
        raise DataError("gone")

    with pytest.raises(DataError):
        write_recommendations(output, broken())
    assert output.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["all.jsonl"]


def test_more_than_there_is(work: Path) -> None:
    result = ask(work, users="A0", k=1000)[0]
    assert len(result.items) == 4
    assert "1,000" in result.note


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"users": ["A9"]}, UnknownIdError, r"unknown user 'A9' \(this data holds 6 users\)"),
        ({"users": "A00"}, UnknownIdError, "Did you mean 'A0'"),
        ({"users": []}, ConfigError, r"users=\[\]"),
        ({"k": 0}, ConfigError, "k=0"),
        ({"users": "all"}, ConfigError, "output="),
        ({"users": "all", "output": "x.csv"}, ConfigError, r"'\.csv'"),
        ({"users": ["A1"], "reviews": "-"}, ConfigError, "users and reviews"),
        ({"reviews": "no_such.json"}, DataError, r"no_such\.json"),
        ({"checkpoint": "nobody"}, RecSysError, "'nobody'"),
    ],
)
def test_wrong_questions(work: Path, settings: dict[str, Any], error: type[RecSysError], message: str) -> None:
    with pytest.raises(error, match=message):
        ask(work, **settings)


def test_ids_that_look_like_numbers() -> None:
    assert InferSettings.read({"users": [12, "B"]}).users == ["12", "B"]
    assert InferSettings.read({"users": 12}).users == ["12"]


def test_out_of_order(work: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as no_model:
        ask(tmp_path)
    assert no_model.value.remedy is not None
    assert no_model.value.remedy.module == "rec_sys.train.train"
    assert no_model.value.remedy.settings == {"paths.work_dir": tmp_path}
    model = tmp_path / "checkpoints/small"
    shutil.copytree(work / "checkpoints/small", model, ignore=shutil.ignore_patterns("vector_base"))
    with pytest.raises(VectorBaseError) as no_base:
        ask(tmp_path)
    assert no_base.value.remedy is not None
    assert no_base.value.remedy.module == "rec_sys.vector_database.create_vectorbase"
    assert no_base.value.remedy.settings == {"paths.work_dir": tmp_path, "checkpoint": model}


def test_an_unfinished_model_answers_by_name_alone(
    work: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(work, tmp_path / "work")
    models = tmp_path / "work/checkpoints"
    save_checkpoint(models / "stopped", replace(load_checkpoint(models / "small"), complete=False))
    stopped = read_stored(models / "stopped")
    save_vector_base(VectorBase.of_model(stopped), models / "stopped/vector_base")
    reviews = tmp_path / "mine.json"
    reviews.write_bytes(b'[{"asin": "B1", "reviewText": "A loud drum", "overall": 5}]')

    def unfinished() -> list[str]:
        return [record.getMessage() for record in caplog.records if "stopped is unfinished" in record.getMessage()]

    expected = ask(tmp_path / "work", reviews=str(reviews))
    assert len(unfinished()) == 1  # passed over
    (models / "small").rename(tmp_path / "small")
    with pytest.raises(CheckpointError):
        ask(tmp_path / "work", reviews=str(reviews))
    caplog.clear()
    assert ask(tmp_path / "work", reviews=str(reviews), checkpoint="stopped") == expected
    assert len(unfinished()) == 1


def test_a_file_of_before_answers_as_its_model_does(work: Path, tmp_path: Path) -> None:
    """With its vector base in the work folder, and the names of the split's settings of then."""
    shutil.copytree(work / "data", tmp_path / "data")
    model = load_checkpoint(work / "checkpoints/small")
    save_old_checkpoint(tmp_path / "checkpoints/small.ckpt", model)
    old = read_stored(tmp_path / "checkpoints/small.ckpt")
    save_vector_base(VectorBase.of_model(old), tmp_path / "vector_base")
    assert ask(tmp_path, users=["A4", "A1"]) == ask(work, users=["A4", "A1"])


def test_data_that_is_not_what_it_was(tmp_path: Path) -> None:
    file = tmp_path / "reviews.csv"
    with file.open("w", newline="") as opened:
        csv.writer(opened).writerows([HEADER, *raw_rows()])
    save_all(tmp_path, data_of(tmp_path))
    with file.open("a", newline="") as opened:
        csv.writer(opened).writerow(["A0", "B7", "5", "New", "One more", "1500000000"])
    trained = read_stored(tmp_path / "checkpoints/small").info["data"]["fingerprint"]
    now = data_of(tmp_path).table.fingerprint
    shutil.rmtree(tmp_path / "data/prepared" / trained[:16])
    with pytest.raises(DataError, match=rf"{trained[:12]}.*{now[:12]}"):
        ask(tmp_path)


def test_known_users_need_no_raw_file(tmp_path: Path) -> None:
    (tmp_path / "reviews.csv").write_text("\n".join(map(",".join, [HEADER, *raw_rows()])))
    save_all(tmp_path, data_of(tmp_path))
    before = ask(tmp_path)
    (tmp_path / "reviews.csv").unlink()
    assert ask(tmp_path) == before


def test_data_that_an_earlier_program_has_read(tmp_path: Path) -> None:
    """It knows the data by another fingerprint; the counts say whether it is the same."""
    (tmp_path / "reviews.csv").write_text("\n".join(map(",".join, [HEADER, *raw_rows()])))
    data = data_of(tmp_path)
    before = dict(data.facts()["data"], fingerprint=min(data.earlier_fingerprints))
    assert data.is_what_was(before)
    assert not data.is_what_was({**before, "users": 5})
    assert not data.is_what_was({**before, "fingerprint": "0" * 64})


def typed(monkeypatch: pytest.MonkeyPatch, main: Callable[[], None], work: Path, *words: str, send: str = "") -> None:
    monkeypatch.setattr(sys, "argv", ["command", f"paths.work_dir={work}", *words])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(send.encode())))
    main()


def test_the_commands_as_they_are_typed(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed(monkeypatch, create_vectorbase.main, work, "vector_db=exact")
    assert capsys.readouterr().out.endswith(f"next:\n  uv run -m rec_sys.inference.infer paths.work_dir={work}\n")
    typed(monkeypatch, create_vectorbase.main, work, "checkpoint=small")
    text = capsys.readouterr().out
    assert text.endswith(f"next:\n  uv run -m rec_sys.inference.infer paths.work_dir={work} checkpoint=small\n")
    reviews = '[{"asin": "B1", "reviewText": "A loud drum", "overall": 5}, {"TextReview": "I want a harp"}]'
    typed(monkeypatch, infer_command.main, work, "reviews=-", "k=2", send=reviews)
    text = capsys.readouterr().out
    lines = text.splitlines()
    assert lines[0] == NEW_USER == "new user"
    assert [line.split()[0] for line in lines[2:4]] == ["1", "2"]
    assert "B1" not in text.split("why")[0].split()
    assert '"A loud drum"' in text
    typed(monkeypatch, infer_command.main, work, "users=[A1,A2]", f"output={work / 'two.parquet'}")
    said = capsys.readouterr().out
    assert said.startswith("2 ")
    assert said.endswith(f": {work / 'two.parquet'}\n")
    with pytest.raises(SystemExit) as stopped:
        typed(monkeypatch, infer_command.main, work, "reviews=-", send="[{]")
    printed = capsys.readouterr()
    assert (stopped.value.code, printed.out) == (2, "")
    assert re.fullmatch(r"error: standard input is not JSON [^\n]*\n", printed.err)
