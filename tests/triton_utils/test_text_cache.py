"""The cache of text vectors: what is computed, what is remembered, what is forgotten."""

from __future__ import annotations

import threading

import numpy as np

from rec_sys.arrays import Floats
from rec_sys.text.text_encoder import embed
from tests.support.toy_checkpoint import TEXT_DIM, ToyEncoder
from triton_utils.backend.text_cache import CachedEncoder


class Recording(ToyEncoder):
    """Records the texts of each call."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[list[str]] = []

    def encode(self, texts: list[str]) -> Floats:  # type: ignore[override]
        self.calls.append(list(texts))
        return super().encode(texts)


def test_each_text_is_computed_once() -> None:
    encoder = Recording()
    cache = CachedEncoder(encoder, TEXT_DIM, 10)
    first = cache.encode(["red", "blue", "red"])
    again = cache.encode(["blue", "green", "red"])
    assert encoder.calls == [["red", "blue"], ["green"]]
    assert (cache.hits, cache.misses) == (2, 3)
    np.testing.assert_array_equal(first[0], first[2])
    np.testing.assert_array_equal(again[[2, 0]], first[[0, 1]])


def test_a_remembered_text_gives_what_a_new_one_gives() -> None:
    texts = ["good strings", "", "  \n", "emoji 🎸", "a\0b"]
    cache = CachedEncoder(ToyEncoder(), TEXT_DIM, 10)
    expected = embed(ToyEncoder(), texts)
    expected[2] = 0  # blank
    for _ in range(2):
        np.testing.assert_array_equal(embed(cache, texts), expected)
    assert len(cache) == 3


def test_blank_texts_are_zero_and_ask_nobody() -> None:
    encoder = Recording()
    vectors = CachedEncoder(encoder, TEXT_DIM, 10).encode(["", " \t"])
    assert not vectors.any()
    assert vectors.shape == (2, TEXT_DIM)
    assert encoder.calls == []


def test_the_text_asked_for_longest_ago_is_forgotten() -> None:
    encoder = Recording()
    cache = CachedEncoder(encoder, TEXT_DIM, 2)
    for text in ("a", "b", "a", "c", "a", "b"):  # c pushes b out, not a
        cache.encode([text])
    assert encoder.calls == [["a"], ["b"], ["c"], ["b"]]
    assert len(cache) == 2


def test_more_texts_than_fit_and_no_room_at_all() -> None:
    for size in (0, 2):
        cache = CachedEncoder(ToyEncoder(), TEXT_DIM, size)
        vectors = cache.encode(["a", "b", "c"])
        np.testing.assert_array_equal(vectors, embed(ToyEncoder(), ["a", "b", "c"]))
        assert len(cache) == size


def test_threads_share_it() -> None:
    cache = CachedEncoder(ToyEncoder(), TEXT_DIM, 50)
    texts = [f"word{number}" for number in range(80)]
    expected = embed(ToyEncoder(), texts)
    wrong: list[int] = []

    def ask(seed: int) -> None:
        generator = np.random.default_rng(seed)
        for _ in range(20):
            rows = generator.integers(0, len(texts), 5)
            if not np.array_equal(cache.encode([texts[row] for row in rows]), expected[rows]):
                wrong.append(seed)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(cache) == 50
