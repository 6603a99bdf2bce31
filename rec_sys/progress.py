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


class Stage:
    """One stage of work that counts itself forward; nothing is told where nobody asks.

    Args:
        name: of the stage.
        total: what there is to do; None: not known beforehand.
        unit: what is counted.
        progress: is told.
        done: where it starts.
    """

    def __init__(
        self, name: str, total: int | None, unit: str, progress: ProgressCallback | None, done: int = 0
    ) -> None:
        self.name, self.total, self.unit, self.progress, self.done = name, total, unit, progress, done
        self.advance(0)

    def advance(self, count: int = 1) -> None:
        """So much more is done."""
        self.reach(self.done + count)

    def reach(self, done: int) -> None:
        """So much is done in all."""
        self.done = done
        if self.progress is not None:
            self.progress(Progress(self.name, done, self.total, self.unit))


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
