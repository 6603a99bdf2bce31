"""The exported text encoder beside torch's; it is exported once, from the real weights."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import orjson
import pytest

from rec_sys.errors import EncoderError
from rec_sys.text import encoder_export
from rec_sys.text.encoder import Encoder
from rec_sys.text.encoder_export import export_text_encoder, served_fingerprint
from rec_sys.text.onnx_text_encoder import OnnxTextEncoder
from rec_sys.text.settings import EncoderSettings

TEXTS = [
    "Great strings, warm tone.",
    "",
    "The pick broke after a week of playing, would not buy it again; my old one lasted for years!",
    "ok",
    " \n\t ",
    "Ünïcode ☃ 日本 <b>html</b> &amp; emoji 🎸",
    "null \x00 bytes and \x1b others",
    "This pedal is noisy. " * 80,  # longer than 256 tokens: cut off
    "Great strings, warm tone.",
    "x" * 5000,
]


@pytest.fixture(scope="module")
def float32() -> Encoder:
    return Encoder(EncoderSettings(backend="float32", threads=1))


@pytest.fixture(scope="module")
def folder(float32: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("encoder") / "1"
    assert export_text_encoder(float32, path) == served_fingerprint(float32)
    return path


@pytest.fixture(scope="module")
def exported(folder: Path) -> OnnxTextEncoder:
    return OnnxTextEncoder(folder, threads=2)


def test_the_same_vectors_as_torch_in_float32(exported: OnnxTextEncoder, float32: Encoder) -> None:
    ours, expected = exported.encode(TEXTS), float32.encode(TEXTS)
    assert ours.dtype == np.float32
    assert ours.shape == (len(TEXTS), exported.dimension) == (len(TEXTS), 384)
    np.testing.assert_allclose(ours, expected, atol=2e-6)
    assert (exported.max_length, exported.name) == (float32.max_length, "all-MiniLM-L6-v2")


def test_blank_texts_are_zeros_and_repeated_ones_equal(exported: OnnxTextEncoder) -> None:
    vectors = exported.encode(TEXTS)
    assert not vectors[[1, 4]].any()
    np.testing.assert_array_equal(vectors[0], vectors[8])
    np.testing.assert_allclose(np.linalg.norm(np.delete(vectors, [1, 4], axis=0), axis=1), 1, atol=1e-6)
    assert exported.encode([]).shape == (0, 384)
    assert not exported.encode([""]).any()


def test_neither_company_nor_order_changes_a_vector(exported: OnnxTextEncoder) -> None:
    together = exported.encode(TEXTS)
    alone = np.concatenate([exported.encode([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_allclose(exported.encode(TEXTS[::-1])[::-1], together, atol=1e-6)


def test_several_threads_may_ask(exported: OnnxTextEncoder) -> None:
    expected = exported.encode(TEXTS)
    with ThreadPoolExecutor(4) as pool:
        for vectors in pool.map(lambda _: exported.encode(TEXTS), range(8)):
            np.testing.assert_allclose(vectors, expected, atol=1e-6)


def test_the_fingerprint_follows_what_is_computed_not_where(float32: Encoder, exported: OnnxTextEncoder) -> None:
    bfloat16 = Encoder(EncoderSettings(backend="bfloat16"))
    assert served_fingerprint(bfloat16) == served_fingerprint(float32) == exported.fingerprint
    assert exported.fingerprint not in (float32.fingerprint, bfloat16.fingerprint)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "encoder.json"])
def test_a_folder_that_is_not_whole_is_refused(tmp_path: Path, folder: Path, name: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / name).write_bytes(b"{")
    with pytest.raises(EncoderError, match=r"is damaged .* export it again"):
        OnnxTextEncoder(copy)
    (copy / name).unlink()
    with pytest.raises(EncoderError, match=f"lacks {name}"):
        OnnxTextEncoder(copy)


def test_a_folder_of_another_kind_is_refused(tmp_path: Path, folder: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    about = orjson.loads((copy / "encoder.json").read_bytes())
    (copy / "encoder.json").write_bytes(orjson.dumps({**about, "format": "something else"}))
    with pytest.raises(EncoderError, match="holds 'something else'; expected 'rec_sys text encoder 1'"):
        OnnxTextEncoder(copy)


def test_an_export_that_differs_is_not_written(
    tmp_path: Path, folder: Path, float32: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights of a good export, but another length: the long sample is cut off elsewhere."""
    monkeypatch.setattr(encoder_export, "write_float32", lambda _, path: shutil.copyfile(folder / "model.onnx", path))
    other = Encoder(EncoderSettings(backend="float32", threads=1))
    other.files.__dict__["max_length"] = 20
    assert other.max_length == 20
    monkeypatch.setattr(encoder_export, "_in_float32", lambda _: float32)
    with pytest.raises(EncoderError, match=r"differs from torch: cosine .* Nothing was written"):
        export_text_encoder(other, tmp_path / "1")
    assert list(tmp_path.iterdir()) == []
