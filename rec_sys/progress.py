"""Progress of long work: the library calls back, a command draws a bar, a notebook what it likes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """How far one stage of the work is."""

    stage: str  # such as "embed reviews", "epoch 3 of 60"
    done: int
    total: int | None = None  # None: not known beforehand
    unit: str = ""  # what is counted: "reviews", "batches"
    figures: Mapping[str, float] = field(default_factory=dict)  # such as the loss, or validation figures

    @property
    def is_last(self) -> bool:
        """Whether the stage is done."""
        return self.total is not None and self.done >= self.total


ProgressCallback = Callable[[Progress], None]


def tracked(
    items: Iterable[T], stage: str, total: int | None, unit: str, progress: ProgressCallback | None
) -> Iterator[T]:
    """The items, with a call of `progress` before the first and after each one."""
    if progress is None:
        yield from items
        return
    progress(Progress(stage, 0, total, unit))
    for number, item in enumerate(items, 1):
        yield item
        progress(Progress(stage, number, total, unit))
