"""Training batches: some users, one history per review that can be predicted from the other ones of its user."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from rec_sys.arrays import Ints
from rec_sys.dataset.splits import histories_around, histories_before
from rec_sys.dataset.table import ReviewTable
from rec_sys.recommenders.graph.history_batch import HistoryBatch, make_history_batch
from rec_sys.recommenders.graph.settings import TrainSettings

Context = Literal["around", "before"]


@dataclass(frozen=True)
class Batch:
    """The histories of some users and the product each is to predict."""

    users: Tensor  # (num_batch_users,) user numbers, ascending; their reviews must not be seen by the product tower
    histories: HistoryBatch
    target: Tensor  # (num_histories,) product numbers
    rating: Tensor  # (num_histories,) nan where unknown

    def to(self, device: torch.device) -> Batch:
        return Batch(self.users.to(device), self.histories.to(device), self.target.to(device), self.rating.to(device))


class UserDataset(Dataset[int]):
    """Users with at least two training reviews; `collate` turns some of them into a batch.

    Args:
        table: the reviews, with the vectors of their texts.
        train: (n,) ascending review numbers to learn from.
        max_history: reviews of a history, at most.
        context: a review is predicted from all others of its author ("around") or from the ones before it.
    """

    def __init__(self, table: ReviewTable, train: Ints, max_history: int, context: Context = "around") -> None:
        self.table, self.train = table, train
        self.max_history, self.context = max_history, context
        user = table.user[train]
        follows = np.concatenate([[False], user[1:] == user[:-1]])  # not the first review of its author
        precedes = np.concatenate([follows[1:], [False]])
        self.targets = train[follows | precedes if context == "around" else follows]
        self.users = np.unique(table.user[self.targets])

    def __len__(self) -> int:
        return len(self.users)

    def __getitem__(self, index: int) -> int:
        return int(self.users[index])

    def collate(self, users: list[int]) -> Batch:
        chosen = np.sort(np.array(users, dtype=np.int64))
        targets = self.targets[np.isin(self.table.user[self.targets], chosen, kind="table")]
        find = histories_around if self.context == "around" else histories_before
        histories = find(self.table, targets, among=self.train, limit=self.max_history)
        return Batch(
            users=torch.from_numpy(chosen),
            histories=make_history_batch(histories, self.table.text, self.table.rating, self.table.timestamp),
            target=torch.from_numpy(self.table.product[targets]),
            rating=torch.from_numpy(self.table.rating[targets]),
        )


class EpochSampler(Sampler[int]):
    """A fresh order for each epoch that follows from seed and epoch alone, so that a resumed run goes on the same.

    Args:
        length: how many there are.
        seed: of the order.
        epoch: tells the epoch; asked, not counted, because Lightning's `set_epoch` is one behind after a resume.
    """

    def __init__(self, length: int, seed: int, epoch: Callable[[], int]) -> None:
        self.length, self.seed, self.epoch = length, seed, epoch

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[int]:
        yield from np.random.default_rng([self.seed, self.epoch()]).permutation(self.length).tolist()


def users_at_once(dataset: UserDataset, settings: TrainSettings) -> int:
    """Users in a batch: so few that an epoch has `min_steps` steps."""
    return max(1, min(settings.users_per_batch, len(dataset) // settings.min_steps))


def batches(dataset: UserDataset, settings: TrainSettings, epoch: Callable[[], int] = lambda: 0) -> DataLoader[Batch]:
    """A loader of batches of at most a fiftieth (`min_steps`) of all users.

    Whoever is in the batch is missing from the product side of the graph, which must not become thin; and a small data
    set needs its steps: with ten an epoch it takes many epochs to leave plain popularity behind.
    """
    size = users_at_once(dataset, settings)
    sampler = EpochSampler(len(dataset), settings.seed, epoch)
    return DataLoader(dataset, batch_size=size, sampler=sampler, collate_fn=dataset.collate)  # type: ignore[arg-type]
