"""Speed of the text encoder against plain sentence-transformers, side by side, and how near the vectors are.

    uv run -m benchmarks.embedding [--texts 1250] [--repeat 3] [--threads 1]

The ways take turns, so that whatever else the machine does hits all of them; the best turn of each counts. Before its
first turn each way encodes 64 texts. On a busy machine measure with --threads 1: it counts CPU time, which other
processes hardly change, while waiting for another thread makes plain encoding look slower than it is.

Real reviews are read from $REC_SYS_SHARED_DATA (default ../shared/data); without them texts are made up.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from sentence_transformers import SentenceTransformer

from benchmarks.report import report
from rec_sys.text.embeddings import embed_texts
from rec_sys.text.encoder import Encoder
from rec_sys.text.settings import EncoderSettings

SEED = 0
Vectors = npt.NDArray[np.floating]
Way = Callable[[list[str]], Vectors]


def review_texts(count: int) -> tuple[list[str], str]:
    """Distinct, non-empty texts, and where they come from."""
    generator = np.random.default_rng(SEED)
    shared = Path(os.environ.get("REC_SYS_SHARED_DATA") or Path(__file__).parents[1] / "../shared/data")
    path = shared / "musical_instruments_2014/Musical_instruments_reviews.csv.gz"
    if path.is_file():
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            texts = list(dict.fromkeys(row["reviewText"] for row in csv.DictReader(file) if row["reviewText"].strip()))
        chosen = generator.choice(len(texts), min(count, len(texts)), replace=False)
        return [texts[place] for place in chosen], f"{len(chosen):,} reviews of Amazon Musical Instruments 2014"
    words = ["great", "sound", "string", "guitar", "pedal", "the", "a", "it", "and", "for", "tone", "cheap", "broke"]
    lengths = np.clip(generator.lognormal(4.1, 0.85, count), 5, 800).astype(int)
    return [" ".join(generator.choice(words, n)) for n in lengths], f"{count:,} made-up texts"


def plain(folder: Path, dtype: torch.dtype) -> Way:
    """`SentenceTransformer.encode` as it comes."""
    model = SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": dtype})

    def encode(texts: list[str]) -> Vectors:
        return model.encode(texts, batch_size=32, convert_to_tensor=True, show_progress_bar=False).float().numpy()

    return encode


def from_cache(encoder: Encoder, folder: Path) -> Way:
    """`embed_texts` when the cache knows all texts (after the first call)."""

    def embed(texts: list[str]) -> Vectors:
        return embed_texts([(np.arange(len(texts)), texts)], len(texts), encoder, folder).vectors.astype(np.float32)

    return embed


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=1250)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    clock = time.process_time if arguments.threads == 1 else time.perf_counter
    texts, data = review_texts(arguments.texts)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        ours = {
            backend: Encoder(EncoderSettings.read({"backend": backend, "threads": arguments.threads}), scratch)
            for backend in ("float32", "bfloat16", "onnx_int8")
        }
        folder = ours["float32"].folder
        ways: dict[str, Way] = {
            "sentence-transformers float32": plain(folder, torch.float32),
            "sentence-transformers bfloat16": plain(folder, torch.bfloat16),
            **{f"rec_sys {backend}": encoder.encode for backend, encoder in ours.items()},
            "rec_sys, second run (cache)": from_cache(ours["bfloat16"], scratch / "cache"),
        }
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        vectors: dict[str, Vectors] = {}
        for way, encode in ways.items():
            encode(texts if "cache" in way else texts[:64])
        for _ in range(arguments.repeat):
            for way, encode in ways.items():
                begin = clock()
                vectors[way] = encode(texts)
                seconds[way].append(clock() - begin)
    reference = vectors["sentence-transformers float32"]
    slowest = min(seconds["sentence-transformers float32"])
    rows = []
    for way, times in seconds.items():
        cosine = (vectors[way] * reference).sum(1) / np.linalg.norm(vectors[way], axis=1)
        cosine /= np.linalg.norm(reference, axis=1)
        rows.append(
            {
                "way": way,
                "texts_per_second": round(len(texts) / min(times), 1),
                "ratio": round(slowest / min(times), 2),
                "ratio_median": round(float(np.median(np.divide(seconds["sentence-transformers float32"], times))), 2),
                "mean_cosine": round(float(cosine.mean()), 6),
                "min_cosine": round(float(cosine.min()), 6),
            }
        )
    report(
        "embedding_one_thread" if arguments.threads == 1 else "embedding",
        rows,
        data=data,
        seed=SEED,
        repeat=arguments.repeat,
        threads=arguments.threads,
        clock="CPU time" if arguments.threads == 1 else "wall time",
        seconds=seconds,
    )


if __name__ == "__main__":
    main()
