"""The products of the deployed version: its vector base, read again when another version is deployed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rec_sys.arrays import Floats
from rec_sys.errors import RecSysError, VectorBaseError
from rec_sys.inference.data_form import DataForm
from rec_sys.inference.served import BASE_FOLDER
from rec_sys.modules.signature import RECOMMEND
from rec_sys.vector_database.index import NONE, VectorBase
from rec_sys.vector_database.storage import load_vector_base
from triton_utils.repository.versions import Repository

logger = logging.getLogger(__name__)

CANDIDATES = 4  # times as many as asked for are compared


@dataclass(frozen=True)
class Deployed:
    """One version, as far as it is about products."""

    version: int
    base: VectorBase
    form: DataForm = field(default_factory=DataForm)  # of the data of the training


@dataclass(frozen=True)
class Similar:
    """A product like another."""

    product_id: str
    name: str  # empty where none is known
    score: float  # cosine, -1 to 1


def load_deployed(repository: Path) -> Deployed:
    """Read the version that is served now.

    Raises:
        RepositoryError: nothing is deployed.
        VectorBaseError: its vector base is damaged.
    """
    state = Repository(repository).deployed()
    version = state.current
    base = load_vector_base(repository / RECOMMEND / str(version) / BASE_FOLDER)
    return Deployed(version, base, state.versions[version].data_form)


def similar(base: VectorBase, product_id: str, k: int) -> list[Similar]:
    """The k products that are most like one, without it.

    The index gives the nearest by inner product, of which well-known products have the larger ones; the order among
    them is that of the cosine.

    Raises:
        UnknownIdError: the base does not hold the product; the message offers the closest id.
    """
    number = base.products.number(product_id)
    part = base.similarity
    query = np.zeros((1, base.dim), dtype=np.float32)
    query[:, part] = _unit(base.vectors(np.array([number]))[:, part])
    numbers, _ = base.search(query, CANDIDATES * k, [np.array([number])])
    near = numbers[0, numbers[0] != NONE]
    cosine = _unit(base.vectors(near)[:, part]) @ query[0, part]
    best = np.lexsort((near, -cosine))[:k]
    return [
        Similar(base.products.id(other), base.names[other], score)
        for other, score in zip(near[best].tolist(), cosine[best].clip(-1, 1).tolist(), strict=True)
    ]


def _unit(vectors: Floats) -> Floats:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Floats = vectors / np.maximum(length, 1e-12)
    return unit


class Products:
    """The deployed products, kept up to date by `watch`; a version that cannot be read leaves the one before.

    Args:
        repository: of the models.
        on_change: called with each version that was read.
    """

    def __init__(self, repository: Path, on_change: Callable[[Deployed], None]) -> None:
        self.repository, self.on_change = repository, on_change
        self.problem = "not read yet"
        self._deployed: Deployed | None = None

    @property
    def deployed(self) -> Deployed:
        """The newest version that could be read.

        Raises:
            VectorBaseError: there is none; the message says why.
        """
        if self._deployed is None:
            raise VectorBaseError(self.problem)
        return self._deployed

    @property
    def form(self) -> DataForm:
        """How the data of the deployed model calls its fields and rates; the usual way where nothing is deployed."""
        return self._deployed.form if self._deployed else DataForm()

    async def refresh(self) -> None:
        """Read the deployed version if it is not the one at hand; file and index are read in a thread."""
        try:
            state = await asyncio.to_thread(Repository(self.repository).deployed)
            if self._deployed is not None and self._deployed.version == state.current:
                self.problem = ""
                return
            deployed = await asyncio.to_thread(load_deployed, self.repository)
        except RecSysError as error:
            if str(error) != self.problem:
                logger.warning("products: %s", error)
            self.problem = str(error)
            return
        self._deployed, self.problem = deployed, ""
        logger.info("products of version %d: %d", deployed.version, len(deployed.base))
        self.on_change(deployed)

    async def watch(self, seconds: float) -> None:
        """Refresh for ever."""
        while True:
            await asyncio.sleep(seconds)
            try:
                await self.refresh()
            except Exception:  # whatever it is, the next look may succeed
                logger.exception("products could not be read")
