"""One version of what a server serves: the products' states, the vector base, and the files that belong to them.

In a model repository the folder `recommend/VERSION` holds `served.json`, `history.npy` and `vector_base/`; the networks
lie beside it, in the folders of the other models. `served.json` vouches for all of them. No torch in here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import orjson
from pydantic import Field

from rec_sys.arrays import Floats
from rec_sys.errors import ConfigError, RepositoryError
from rec_sys.files import sha256_of, write_json
from rec_sys.inference.data_form import DataForm
from rec_sys.settings import Settings
from rec_sys.vector_database.index import VectorBase
from rec_sys.vector_database.storage import load_vector_base, save_vector_base

FORMAT = "rec_sys served 1"
META_FILE, HISTORY_FILE, BASE_FOLDER = "served.json", "history.npy", "vector_base"
SHOWN = 12  # characters of a fingerprint in a message


class Served(Settings):
    """`served.json`."""

    format: str = Field(FORMAT, description="of this file")
    version: int = Field(ge=1, description="of all models that belong together")
    created: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    checkpoint: str = Field(description="sha256 of the checkpoint")
    checkpoint_name: str = Field(description="its file name")
    encoder: str = Field("", description="fingerprint of the text encoder; empty where no texts are read")
    text_dim: int = Field(ge=0, description="of a text's vector; 0: the model reads no texts")
    review_texts: bool = Field(description="whether texts of reviews are read")
    max_history: int = Field(ge=1, description="newest reviews of a user that are read")
    data_form: DataForm = Field(default_factory=DataForm, description="of the data of the training")
    sha256: dict[str, str] = Field(default_factory=dict, description="of each file, by its path in the repository")


@dataclass(frozen=True)
class ServedModel:
    """What `ReviewRecommender` needs besides towers and an encoder."""

    served: Served
    base: VectorBase
    history: Floats  # (len(base) + 1, history_dim)


def save_served(folder: Path, served: Served, base: VectorBase, history: Floats, others: Iterable[Path] = ()) -> Served:
    """Write one version of the model `recommend`.

    Args:
        folder: `REPOSITORY/recommend/VERSION`.
        served: its `sha256` is filled in here.
        base: vectors of the products.
        history: states of the products, see `ReviewRecommender`.
        others: files of the other models, in the same repository.

    Returns:
        What `served.json` holds now.
    """
    repository = folder.parents[1]
    save_vector_base(base, folder / BASE_FOLDER)
    np.save(folder / HISTORY_FILE, history, allow_pickle=False)
    files = [folder / HISTORY_FILE, *sorted((folder / BASE_FOLDER).iterdir()), *sorted(others)]
    sums = {path.relative_to(repository).as_posix(): sha256_of(path) for path in files}
    whole = served.model_copy(update={"sha256": sums})
    write_json(folder / META_FILE, whole.model_dump(mode="json"))
    return whole


def load_served(folder: Path) -> ServedModel:
    """Read one version, and check every file that belongs to it.

    The states of the products are mapped, not read: processes that serve the same version share them.

    Raises:
        RepositoryError: a file is missing, not the one that was written, or of another checkpoint.
        VectorBaseError: the vector base is damaged.
    """
    served = read_served(folder)
    repository = folder.parents[1]
    for name, expected in served.sha256.items():
        path = repository / name
        if not path.is_file():
            raise RepositoryError(f"{path} is missing, which belongs to version {served.version}; deploy again")
        if sha256_of(path) != expected:
            raise RepositoryError(f"{path} is not the file that was written; deploy again")
    base = load_vector_base(folder / BASE_FOLDER)
    if base.origin.fingerprint != served.checkpoint:
        raise RepositoryError(
            f"the vector base of version {served.version} in {folder} is of checkpoint {base.origin.checkpoint} "
            f"({base.origin.fingerprint[:SHOWN]}), but the version of {served.checkpoint_name} "
            f"({served.checkpoint[:SHOWN]}); deploy again"
        )
    history: Floats = np.load(folder / HISTORY_FILE, mmap_mode="r", allow_pickle=False)
    if history.ndim != 2 or len(history) != len(base) + 1:
        raise RepositoryError(
            f"{folder / HISTORY_FILE} holds {history.shape}, expected {len(base) + 1} rows; deploy again"
        )
    return ServedModel(served, base, history)


def read_served(folder: Path) -> Served:
    """Read `served.json` alone.

    Raises:
        RepositoryError: it is missing or damaged.
    """
    path = folder / META_FILE
    try:
        values = orjson.loads(path.read_bytes())
        if not isinstance(values, dict) or values.get("format") != FORMAT:
            raise RepositoryError(f"{path} is not {FORMAT!r}; deploy again")
        return Served.read(values, "served")
    except (OSError, orjson.JSONDecodeError, ConfigError) as error:
        raise RepositoryError(f"{path} cannot be read ({error}); deploy again") from error
