"""Progress as bars at a terminal, for commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rec_sys.progress import Progress

if TYPE_CHECKING:
    from tqdm import tqdm


class ProgressBars:
    """A progress callback that draws one bar per stage on stderr; silent where stderr is no terminal."""

    def __init__(self) -> None:
        self._stage = ""
        self._bar: tqdm[Any] | None = None

    def __call__(self, progress: Progress) -> None:
        """Draw how far the work is."""
        from tqdm import tqdm  # it takes a while, and a command may have nothing to show

        if self._bar is None or progress.stage != self._stage or progress.done < self._bar.n:
            self.close()
            total, unit = progress.total, f" {progress.unit}" if progress.unit else "it"
            self._bar = tqdm(desc=progress.stage, total=total, unit=unit, disable=None)
            self._stage = progress.stage
        bar = self._bar
        bar.total = progress.total
        bar.update(progress.done - bar.n)
        if progress.figures:
            bar.set_postfix({name: f"{value:.4f}" for name, value in progress.figures.items()})
        if progress.is_last:
            self.close()

    def close(self) -> None:
        """Leave the bar as it is and go on below it."""
        if self._bar is not None:
            self._bar.close()
        self._bar = None
