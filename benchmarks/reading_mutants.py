"""Whether files of reviews that differ from a good one are read right, or refused with what is wrong.

    uv run -m benchmarks.reading_mutants [--mutants 5000] [--seed 0] [--only NUMBER] [--keep FILE]

A good table is written in many ways, up to three of them at once: containers, encodings, names of columns, forms of
dates, scales of ratings, orders, damaged lines, damaged ids. What must come out is known from the changes, not from
the reader. Each file ends in one of three ways: the same table; a refusal that names the change; or a third outcome,
which is a fault. `--only` makes one of them again and says what became of it; `--keep` writes its bytes to a file.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.mutants.outcome import Outcome, outcome_of
from benchmarks.mutants.plan import mutant
from benchmarks.report import report

SHOWN = 40  # third outcomes that are shown
KINDS = ("same table", "refused", "third")

Result = tuple[int, list[str], Outcome]


def result_of(number: int, seed: int) -> Result:
    """Make a mutant and read it."""
    made = mutant(number, seed)
    with tempfile.TemporaryDirectory() as folder:
        return number, made.labels, outcome_of(made, Path(folder))


def table_of(results: Iterable[Result]) -> list[dict[str, Any]]:
    """By mutation, how its mutants ended."""
    counts: dict[str, Counter[str]] = {}
    for _, labels, outcome in results:
        for label in labels:
            counts.setdefault(label, Counter())[outcome.kind] += 1
    return [
        {
            "mutation": label,
            "mutants": sum(its.values()),
            "same table": its["same table"],
            "refused": its["refused"],
            "third outcome": its["third"],
        }
        for label, its in sorted(counts.items())
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutants", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="number of one mutant")
    parser.add_argument("--keep", type=Path, help="where the bytes of this one are written")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--name", default="reading_mutants", help="of the result file")
    args = parser.parse_args()
    if args.only is not None:
        if args.keep:
            args.keep.write_bytes(mutant(args.only, args.seed).raw)
        _, labels, outcome = result_of(args.only, args.seed)
        print("\n".join([*labels, outcome.kind, outcome.why]))
        return
    started = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(args.workers) as pool:
        jobs = [(number, args.seed) for number in range(args.mutants)]
        results = pool.starmap(result_of, jobs, chunksize=20)
    seconds = round(time.perf_counter() - started, 1)
    third = [result for result in results if result[2].kind == "third"]
    for number, labels, outcome in third[:SHOWN]:
        print(f"--only {number} --seed {args.seed}: {'; '.join(labels)}\n    {outcome.why[:600]}")
    ends = Counter(outcome.kind for _, _, outcome in results)
    print("\n" + ", ".join(f"{kind}: {ends[kind]:,}" for kind in KINDS) + "\n")
    report(
        args.name,
        table_of(results),
        data=f"{args.mutants:,} mutated files of {300} generated reviews",
        seed=args.seed,
        mutants=args.mutants,
        seconds=seconds,
        ends={kind: ends[kind] for kind in KINDS},
        third=[{"number": number, "mutations": labels, "why": outcome.why[:500]} for number, labels, outcome in third],
    )


if __name__ == "__main__":
    main()
