from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rec_sys.arrays import Ints
from rec_sys.progress import Progress
from rec_sys.text.embedding_cache import EmbeddingCache
from rec_sys.text.embeddings import embed_texts
from rec_sys.text.encoder import Encoder
from rec_sys.text.settings import EncoderSettings

SETTINGS = EncoderSettings(backend="float32", threads=1, tokens_per_batch=256)
TEXTS = ["warm tone", "", "broken pick", "warm tone", "noisy pedal", "  ", "warm tone", "cheap"]


def batches(size: int = 4) -> Iterator[tuple[Ints, list[str]]]:
    """TEXTS in pieces, their rows in reverse order."""
    rows = np.arange(len(TEXTS))[::-1]
    for start in range(0, len(TEXTS), size):
        yield rows[start : start + size], TEXTS[start : start + size]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(SETTINGS)


@pytest.mark.parametrize("to_file", [False, True])
def test_every_row_gets_its_vector(tmp_path: Path, encoder: Encoder, to_file: bool) -> None:
    out = tmp_path / "vectors.npy" if to_file else None
    result = embed_texts(batches(), len(TEXTS) + 1, encoder, tmp_path / "cache", out)
    assert result.vectors.dtype == np.float16
    assert result.vectors.shape == (len(TEXTS) + 1, 384)
    expected = encoder.encode(TEXTS)[::-1]
    np.testing.assert_allclose(result.vectors[:-1], expected, atol=2e-4)
    assert not result.vectors[-1].any()  # no batch named this row
    assert (result.new, result.from_cache, result.empty, result.repeated) == (4, 1, 2, 1)
    assert result.texts_per_second > 0
    assert str(result).startswith("4 texts embedded, 1 from the cache, 1 repeated, 2 empty; ")
    if out is not None:
        np.testing.assert_array_equal(np.load(out, allow_pickle=False), result.vectors)
        assert [path.name for path in tmp_path.iterdir() if path.name != "cache"] == ["vectors.npy"]


def test_float16_costs_nothing_that_counts(tmp_path: Path, encoder: Encoder) -> None:
    exact = encoder.encode(TEXTS)[::-1]
    kept = embed_texts(batches(), len(TEXTS), encoder, tmp_path).vectors.astype(np.float32)
    lengths = np.linalg.norm(kept, axis=1)
    text = exact.any(1)
    np.testing.assert_allclose(lengths[text], 1, atol=1e-4)
    assert ((exact * kept).sum(1)[text] / lengths[text]).min() > 0.999999


def test_a_second_run_computes_nothing_and_loads_no_model(tmp_path: Path, encoder: Encoder) -> None:
    first = embed_texts(batches(), len(TEXTS), encoder, tmp_path)
    again = Encoder(SETTINGS)
    second = embed_texts(batches(3), len(TEXTS), again, tmp_path)
    assert second.new == 0
    assert not again.loaded
    np.testing.assert_array_equal(first.vectors, second.vectors)


def test_no_texts(tmp_path: Path, encoder: Encoder) -> None:
    assert embed_texts(iter([]), 0, encoder, tmp_path, tmp_path / "none.npy").vectors.shape == (0, 384)


def test_progress_counts_every_text(tmp_path: Path, encoder: Encoder) -> None:
    told: list[Progress] = []
    embed_texts(batches(), len(TEXTS), encoder, tmp_path, progress=told.append)
    assert [each.done for each in told] == sorted(each.done for each in told)
    assert (told[0].done, told[-1].done, told[-1].total) == (0, len(TEXTS), len(TEXTS))


def test_an_interrupted_run_keeps_what_is_done(
    tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = encoder.stream

    def interrupted(texts: list[str]) -> Iterator[object]:
        yield next(iter(stream(texts[:2])))
        raise KeyboardInterrupt

    out = tmp_path / "vectors.npy"
    with monkeypatch.context() as patch:
        patch.setattr(encoder, "stream", interrupted)
        with pytest.raises(KeyboardInterrupt):
            embed_texts(batches(8), len(TEXTS), encoder, tmp_path / "cache", out)
    assert not out.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
    result = embed_texts(batches(8), len(TEXTS), encoder, tmp_path / "cache", out)
    assert (result.new, result.from_cache) == (2, 2)


# 3,000 texts of one word and a number, so that a run takes long enough to be killed in the middle.
RUN = """
import sys
from pathlib import Path
import numpy as np
from rec_sys.text.embeddings import embed_texts
from rec_sys.text.encoder import Encoder
from rec_sys.text.settings import EncoderSettings
folder = Path(sys.argv[1])
settings = EncoderSettings(backend="float32", threads=1, tokens_per_batch=256)
texts = [f"string {number}" for number in range(3000)]
result = embed_texts([(np.arange(3000), texts)], 3000, Encoder(settings), folder, folder / "vectors.npy")
print(result.new, result.from_cache)
"""


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_goes_on_where_it_was(tmp_path: Path, encoder: Encoder, stop: signal.Signals) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", RUN, str(tmp_path)]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    with EmbeddingCache(tmp_path, encoder.fingerprint, 384) as cache:
        while not len(cache) and time.monotonic() < deadline:
            assert process.poll() is None, "the run ended before it was killed"
            time.sleep(0.01)
        process.send_signal(stop)
        process.wait(timeout=60)
        assert process.returncode != 0
        done = len(cache)
    assert 512 <= done < 3000
    assert not (tmp_path / "vectors.npy").exists()
    second = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    assert second.stdout.split() == [str(3000 - done), str(done)]
    vectors = np.load(tmp_path / "vectors.npy", allow_pickle=False)
    np.testing.assert_allclose(np.linalg.norm(vectors.astype(np.float32), axis=1), 1, atol=2e-3)
    np.testing.assert_allclose(vectors[[0, 2999]], encoder.encode(["string 0", "string 2999"]), atol=2e-4)
