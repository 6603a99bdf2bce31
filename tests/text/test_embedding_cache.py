from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rec_sys.errors import DataError
from rec_sys.text.embedding_cache import EmbeddingCache, text_key

# Writes the texts start..stop, ten at a time; the vector of text n is n everywhere.
WRITER = """
import sys
from pathlib import Path
import numpy as np
from rec_sys.text.embedding_cache import EmbeddingCache, text_key
folder, start, stop = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
cache = EmbeddingCache(folder, "f", 4)
print("open", flush=True)
sys.stdin.readline()
for first in range(start, stop, 10):
    numbers = range(first, min(first + 10, stop))
    cache.put([text_key(str(n)) for n in numbers], np.array([[n] * 4 for n in numbers], dtype=np.float32))
    print(first, flush=True)
"""


def writer(folder: Path, start: int, stop: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(folder), str(start), str(stop)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_what_was_put_is_found(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(2000, 8)).astype(np.float32)
    keys = [text_key(f"text {number}") for number in range(2000)]
    with EmbeddingCache(tmp_path, "f", 8) as cache:
        cache.put(keys[::2], vectors[::2])
        assert len(cache) == 1000
    with EmbeddingCache(tmp_path, "f", 8) as cache:
        found, read = cache.get(keys)
        assert found.tolist() == [True, False] * 1000
        np.testing.assert_array_equal(read[::2], vectors[::2].astype(np.float16))
        assert not read[1::2].any()
        assert cache.get([])[1].shape == (0, 8)


def test_the_first_vector_stays(tmp_path: Path) -> None:
    with EmbeddingCache(tmp_path, "f", 2) as cache:
        cache.put([text_key("a")], np.ones((1, 2)))
        cache.put([text_key("a"), text_key("b")], np.full((2, 2), 2.0))
        assert cache.get([text_key("a"), text_key("b")])[1].tolist() == [[1, 1], [2, 2]]


def test_encoders_do_not_mix(tmp_path: Path) -> None:
    with EmbeddingCache(tmp_path, "one", 2) as one, EmbeddingCache(tmp_path, "two", 2) as two:
        one.put([text_key("a")], np.ones((1, 2)))
        assert not two.get([text_key("a")])[0].any()


def test_keys_are_stable() -> None:
    assert text_key("guitar").hex() == "b6d3c2d1fc184d20791392740566efda"
    assert len(text_key("\ud800")) == 16  # half a surrogate pair, as broken JSON holds it
    assert text_key("a") != text_key("A") != text_key("a ")


def test_a_wrong_shape_is_refused(tmp_path: Path) -> None:
    with EmbeddingCache(tmp_path, "f", 2) as cache, pytest.raises(ValueError, match=r"\(1, 3\), expected \(1, 2\)"):
        cache.put([text_key("a")], np.ones((1, 3)))


def test_two_processes_write_overlapping_texts_at_once(tmp_path: Path) -> None:
    processes = [writer(tmp_path, 0, 600), writer(tmp_path, 300, 900)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
    for process in processes:
        go(process)
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    with EmbeddingCache(tmp_path, "f", 4) as cache:
        found, vectors = cache.get([text_key(str(number)) for number in range(900)])
        assert found.all()
        assert len(cache) == 900
        np.testing.assert_array_equal(vectors[:, 3], np.arange(900))


def test_a_killed_process_leaves_whole_puts(tmp_path: Path) -> None:
    process = writer(tmp_path, 0, 1_000_000)
    go(process)
    assert process.stdout is not None
    while process.stdout.readline() != "200\n":
        pass
    process.kill()
    process.communicate()
    with EmbeddingCache(tmp_path, "f", 4) as cache:
        done = len(cache)
        assert done >= 210
        assert done % 10 == 0
        found, vectors = cache.get([text_key(str(number)) for number in range(done)])
        assert found.all()
        np.testing.assert_array_equal(vectors[:2000, 0], np.arange(min(done, 2000)))
        cache.put([text_key("next")], np.ones((1, 4)))


def test_many_processes_may_make_the_file_at_once(tmp_path: Path) -> None:
    processes = [writer(tmp_path, 0, 10) for _ in range(4)]
    for process in processes:
        go(process)
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "f.sqlite").write_bytes(b"not a database, certainly" * 100)
    with pytest.raises(DataError, match=r"f\.sqlite is damaged .*delete it"):
        EmbeddingCache(tmp_path, "f", 4)


def test_a_file_with_a_damaged_middle_is_named(tmp_path: Path) -> None:
    keys = [text_key(str(number)) for number in range(500)]
    with EmbeddingCache(tmp_path, "f", 64) as cache:
        cache.put(keys, np.ones((500, 64)))
    path = tmp_path / "f.sqlite"
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with (
        pytest.raises(DataError, match=r"f\.sqlite is damaged .*delete it"),
        EmbeddingCache(tmp_path, "f", 64) as cache,
    ):
        cache.get(keys)


def test_a_vector_of_another_length_is_damage(tmp_path: Path) -> None:
    with EmbeddingCache(tmp_path, "f", 4) as cache:
        cache.put([text_key("a")], np.ones((1, 4)))
    with EmbeddingCache(tmp_path, "f", 8) as cache, pytest.raises(DataError, match="8 bytes in place of 16"):
        cache.get([text_key("a")])


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be used"):
        EmbeddingCache(tmp_path / "file", "f", 4)
