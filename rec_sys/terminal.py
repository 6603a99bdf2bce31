"""Progress as bars in a terminal: what commands give to the library as its progress callback."""

from __future__ import annotations

from typing import Any

from tqdm import tqdm

from rec_sys.progress import Progress


class ProgressBars:
    """Draws one bar for the stage that is under way; none where the output is no terminal."""

    def __init__(self) -> None:
        self._stage = ""
        self._bar: tqdm[Any] | None = None

    def __call__(self, progress: Progress) -> None:
        """Move the bar; a new stage begins a new one."""
        if self._bar is None or progress.stage != self._stage:
            self.close()
            self._stage = progress.stage
            self._bar = tqdm(
                desc=progress.stage,
                total=progress.total,
                unit=f" {progress.unit}" if progress.unit else "it",
                leave=False,
                dynamic_ncols=True,
                disable=None,
            )
        self._bar.total = progress.total  # less than at first where training stops early
        self._bar.update(progress.done - self._bar.n)
        if progress.figures:
            self._bar.set_postfix({name: f"{value:.4f}" for name, value in progress.figures.items()})
        if progress.is_last:
            self.close()

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
