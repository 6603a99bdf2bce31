from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from safetensors.torch import load_file, save_file

from rec_sys.errors import ConfigError, EncoderError
from rec_sys.text import encoder as module
from rec_sys.text.encoder import Encoder
from rec_sys.text.encoder_files import encoder_folder
from rec_sys.text.packed_bert import PackedBert
from rec_sys.text.padded_batches import LibraryModel
from rec_sys.text.settings import EncoderSettings
from rec_sys.text.token_batches import padded, tight_batches, token_batches

TEXTS = [
    "Great strings, warm tone.",
    "The pick broke after a week of playing, would not buy it again; my old one lasted for years!",
    "ok",
    "Ünïcode ☃ 日本 <b>html</b> &amp; emoji 🎸",
    "This pedal is noisy. " * 80,  # longer than 256 tokens: cut off
    "Great strings, cold tone.",
]


@pytest.fixture(scope="module")
def reference() -> npt.NDArray[np.float32]:
    """What plain sentence-transformers says about TEXTS."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(encoder_folder("all-MiniLM-L6-v2")), device="cpu").encode(TEXTS, batch_size=2)


@pytest.fixture(scope="module")
def float32() -> Encoder:
    return Encoder(EncoderSettings(backend="float32", tokens_per_batch=256, threads=2))


def cosines(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.asarray((a * b).sum(1), dtype=np.float32)


def test_float32_equals_sentence_transformers(float32: Encoder, reference: npt.NDArray[np.float32]) -> None:
    vectors = float32.encode(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), float32.dimension) == (len(TEXTS), 384)
    np.testing.assert_allclose(vectors, reference, atol=2e-6)


def test_bfloat16_is_close(reference: npt.NDArray[np.float32]) -> None:
    vectors = Encoder(EncoderSettings(backend="bfloat16")).encode(TEXTS)
    assert cosines(vectors, reference).min() > 0.9997
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_the_library_model_equals_the_packed_one(float32: Encoder, reference: npt.NDArray[np.float32]) -> None:
    tokens = [float32.files.tokenizer.encode(text).ids for text in TEXTS]
    vectors = LibraryModel(float32.folder, torch.float32, "cpu")(tokens)
    np.testing.assert_allclose(vectors, reference, atol=2e-6)


def test_onnx_int8_is_near_and_exported_once(tmp_path: Path, reference: npt.NDArray[np.float32]) -> None:
    settings = EncoderSettings(backend="onnx_int8", threads=1)
    first = Encoder(settings, tmp_path).encode(TEXTS)
    assert cosines(first, reference).mean() > 0.98
    assert cosines(first, reference).min() > 0.93  # very short texts suffer most
    (model_file,) = tmp_path.iterdir()
    written = model_file.stat().st_mtime_ns
    np.testing.assert_array_equal(Encoder(settings, tmp_path).encode(TEXTS), first)
    assert model_file.stat().st_mtime_ns == written
    model_file.write_bytes(b"nonsense")
    with pytest.raises(EncoderError, match="delete it"):
        Encoder(settings, tmp_path).encode(TEXTS)


def test_onnx_int8_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EncoderError, match="cache_dir"):
        Encoder(EncoderSettings(backend="onnx_int8")).encode(["a"])
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(EncoderError, match=r"onnxruntime.*rec-sys\[onnx\]"):
        Encoder(EncoderSettings(backend="onnx_int8"), tmp_path).encode(["a"])


def test_company_order_and_threads_change_nothing(float32: Encoder) -> None:
    together = float32.encode(TEXTS)
    alone = np.concatenate([float32.encode([text]) for text in reversed(TEXTS)])[::-1]
    np.testing.assert_allclose(together, alone, atol=1e-6)
    one_thread = Encoder(EncoderSettings(backend="float32", tokens_per_batch=4096, threads=1)).encode(TEXTS)
    np.testing.assert_allclose(together, one_thread, atol=1e-6)


def test_threads_leave_the_rest_of_torch_alone(float32: Encoder) -> None:
    before = torch.get_num_threads()
    float32.encode(TEXTS)
    assert torch.get_num_threads() == before


def test_empty_is_zero_and_repeated_is_computed_once(float32: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[str] = []
    stream = float32.stream

    def watched(texts: list[str]) -> object:
        computed.extend(texts)
        return stream(texts)

    monkeypatch.setattr(float32, "stream", watched)
    done: list[int] = []
    vectors = float32.encode(["ok", "", " \n\t", "ok", "strings"], done.append)
    assert computed == ["ok", "strings"]
    assert sum(done) == 5
    assert not vectors[1:3].any()
    np.testing.assert_array_equal(vectors[0], vectors[3])
    assert float(vectors[0] @ vectors[4]) < 0.9


def test_nothing_loads_nothing() -> None:
    encoder = Encoder()
    assert encoder.encode([]).shape == (0, 384)
    assert encoder.encode(["  "]).shape == (1, 384)
    assert len(encoder.fingerprint) == 32
    assert encoder.max_length == 256
    assert not encoder.loaded


def test_scores_too_large_for_the_fast_softmax_are_computed_exactly(tmp_path: Path) -> None:
    folder = copy_of_model(tmp_path)
    weights = load_file(folder / "model.safetensors")
    for layer in range(6):
        weights[f"encoder.layer.{layer}.attention.self.query.weight"] *= 100
    save_file(weights, folder / "model.safetensors")
    packed = PackedBert(folder, torch.bfloat16)
    tokens = [[101, 2307, 102], [101, 7817, 4010, 102]]
    with torch.inference_mode():
        assert not torch.isfinite(packed._forward(tokens, exact=False)).all()  # or this test would show nothing
        exact = packed._forward(tokens, exact=True).numpy()
    np.testing.assert_array_equal(packed(tokens), exact)
    assert np.isfinite(exact).all()


def test_the_fingerprint_tells_vectors_apart(tmp_path: Path, float32: Encoder) -> None:
    folder = copy_of_model(tmp_path)

    def of(backend: str) -> str:
        return Encoder(EncoderSettings.read({"name": str(folder), "backend": backend})).fingerprint

    assert of("float32") == float32.fingerprint  # the place of the files does not count
    assert of("float32") != of("bfloat16")
    settings = folder / "sentence_bert_config.json"
    settings.write_text(settings.read_text().replace("256", "128"))
    shorter = of("float32")
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert len({float32.fingerprint, shorter, of("float32")}) == 3


def test_a_shorter_limit_cuts_texts(tmp_path: Path, float32: Encoder) -> None:
    folder = copy_of_model(tmp_path)
    settings = folder / "sentence_bert_config.json"
    settings.write_text(settings.read_text().replace("256", "6"))  # [CLS], four words, [SEP]
    short = Encoder(EncoderSettings(name=str(folder), backend="float32"))
    text = "one two three four five six"
    np.testing.assert_allclose(short.encode([text]), float32.encode(["one two three four"]), atol=1e-6)


def test_errors_are_one_line_and_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"'sentence-transformers/no-such-model' .*; give the path") as caught:
        Encoder(EncoderSettings(name="no-such-model"))
    assert "\n" not in str(caught.value)
    with pytest.raises(EncoderError, match=r"lacks config\.json"):
        Encoder(EncoderSettings(name=str(tmp_path)))
    folder = copy_of_model(tmp_path)
    modules = folder / "modules.json"
    modules.write_text(modules.read_text().replace("models.Normalize", "models.Dense"))
    with pytest.raises(EncoderError, match="'Dense'"):
        Encoder(EncoderSettings(name=str(folder)))
    with pytest.raises(ConfigError, match="backend"):
        EncoderSettings.read({"backend": "float16"})


def test_auto_follows_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for capabilities, expected in (
        ({"avx512_bf16": True}, "bfloat16"),
        ({"amx_bf16": True}, "bfloat16"),
        ({}, "float32"),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=capabilities: found)
        assert module.native_backend() == expected


@pytest.mark.gpu
def test_cuda_is_close(reference: npt.NDArray[np.float32]) -> None:
    encoder = Encoder()
    assert encoder.backend == "bfloat16"
    assert cosines(encoder.encode(TEXTS), reference).min() > 0.999


def test_token_batches_hold_every_text_once_within_the_budget() -> None:
    lengths = np.random.default_rng(1).integers(3, 257, 500)
    lengths[7] = 5000
    batches = token_batches(lengths, 1024)
    assert sorted(np.concatenate(batches).tolist()) == list(range(500))
    for batch in batches:
        assert len(batch) * lengths[batch].max() <= 1024 or len(batch) == 1
        assert (np.diff(lengths[batch]) >= 0).all()
    assert len(batches) < 1.25 * lengths.sum() / 1024


def test_tight_batches_hold_every_text_once_with_hardly_any_padding() -> None:
    assert [batch.tolist() for batch in tight_batches(np.array([5, 90, 5, 6, 91, 40]), 512)] == [[1, 4], [5], [0, 2, 3]]
    assert [len(batch) for batch in tight_batches(np.full(11, 100), 512)] == [5, 5, 1]
    assert [batch.tolist() for batch in tight_batches(np.array([900]), 512)] == [[0]]
    assert tight_batches(np.zeros(0, dtype=np.int64), 512) == []
    lengths = np.random.default_rng(0).integers(3, 257, 200)
    batches = tight_batches(lengths, 512)
    np.testing.assert_array_equal(np.sort(np.concatenate(batches)), np.arange(200))
    with_padding = sum(int(lengths[batch].max()) * len(batch) for batch in batches)
    assert with_padding < 1.1 * lengths.sum()


def test_padded() -> None:
    tokens, mask = padded([[5], [6, 7, 8]])
    assert tokens.tolist() == [[5, 0, 0], [6, 7, 8]]
    assert mask.tolist() == [[1, 0, 0], [1, 1, 1]]


def copy_of_model(tmp_path: Path) -> Path:
    return Path(shutil.copytree(encoder_folder("all-MiniLM-L6-v2"), tmp_path / "model"))
