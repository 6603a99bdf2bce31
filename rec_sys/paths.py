"""Where commands read and write: one folder, and fixed names in it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from pydantic import Field

from rec_sys.settings import Settings


class Paths(Settings):
    """All folders follow from one."""

    work_dir: Path = Field(Path(), description="folder that holds everything the commands write")

    @property
    def option(self) -> str:
        """What a command that is shown needs in order to use the same folder: " paths.work_dir=...", or nothing."""
        return "" if self.work_dir == Path() else f" {typed('paths.work_dir', self.work_dir)}"

    @property
    def settings(self) -> dict[str, object]:
        """The setting that names this folder, by its dotted name; empty where it is the default."""
        return {} if self.work_dir == Path() else {"paths.work_dir": self.work_dir}

    @property
    def data(self) -> Path:
        """Raw, prepared and embedded reviews; may be deleted at any time, it is made again."""
        return self.work_dir / "data"

    @property
    def embeddings(self) -> Path:
        """The encoder's cache."""
        return self.data / "embeddings"

    @property
    def checkpoints(self) -> Path:
        """Trained models, one folder each."""
        return self.work_dir / "checkpoints"

    @property
    def vector_base(self) -> Path:
        """The FAISS index with its ids."""
        return self.work_dir / "vector_base"

    @property
    def reports(self) -> Path:
        """One folder per training: figures and plots."""
        return self.work_dir / "reports"

    @property
    def searches(self) -> Path:
        """One folder per search of settings: the study, its trials, the best."""
        return self.work_dir / "searches"

    @property
    def mlflow(self) -> Path:
        """The tracking store, an SQLite file."""
        return self.work_dir / "mlflow.db"


def typed(key: str, value: object) -> str:
    """A setting as it is typed in a shell: quoted for Hydra where Hydra would not read it, then for the shell."""
    text = str(value)
    if not re.fullmatch(r"[A-Za-z0-9_/.+@-]+", text):
        text = "'" + text.replace("'", "\\'") + "'"
    return quoted(f"{key}={text}")


def quoted(word: str) -> str:
    """A word as it is typed in a shell; in double quotes where these do, as Hydra has the single ones."""
    plain = shlex.quote(word)
    return plain if plain == word or re.search(r'["\\$`!]', word) else f'"{word}"'
