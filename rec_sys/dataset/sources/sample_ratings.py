"""Generated ratings, in the layout of MovieLens' CSV: users and products have a level each, and tastes of two kinds.

Nobody gave these ratings: mean + user + product + taste . quality + noise, as whole stars from 1 to 5. So there is
something to find for a bias alone, and more for factors.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rec_sys.errors import ConfigError
from rec_sys.files import atomic_file

VERSION = 1  # raise it with every change of what is generated
START, DAYS, DAY = 1_262_304_000, 1_000, 86_400  # from 2010-01-01
MIN_RATINGS = 5  # of every user
MEAN = 3.6
OF_USERS, OF_PRODUCTS, OF_TASTE, NOISE = 0.45, 0.5, 0.75, 0.55  # standard deviations, in stars
TASTES = 2


def write_ratings(folder: Path, seed: int = 0, users: int = 800, products: int = 300, ratings: int = 27_000) -> Path:
    """Write `ratings.csv` into `folder`; the same numbers give the same bytes.

    Args:
        folder: made if missing.
        seed: of all that is random.
        users: every one gives at least five ratings, never two of one product.
        products: of the catalogue; in a small sample some have no rating.
        ratings: lines of the file, oldest first.

    Raises:
        ConfigError: the three sizes cannot go together.
    """
    most = products // 2  # so that nobody runs out of products
    if not users * MIN_RATINGS <= ratings <= users * most:
        raise ConfigError(
            f"a sample of {users:,} users, {products:,} products and {ratings:,} ratings cannot be made; expected "
            f"{MIN_RATINGS} to products / 2 = {most:,} ratings per user: change data.sample_reviews or its neighbours"
        )
    random = np.random.default_rng(seed)
    eager = random.lognormal(0, 0.8, users)
    counts = np.full(users, MIN_RATINGS, dtype=np.int64)
    while (missing := ratings - int(counts.sum())) > 0:
        chance = eager * (counts < most)
        counts = np.minimum(counts + random.multinomial(missing, chance / chance.sum()), most)
    popularity = (random.permutation(products) + 5.0) ** -0.6
    quality, tastes = random.normal(0, 1, (products, TASTES)), random.normal(0, 1, (users, TASTES))
    level = random.normal(0, OF_PRODUCTS, products)
    rows: list[tuple[int, int, int, int]] = []
    for user, count in enumerate(counts.tolist()):
        liked = quality @ tastes[user] / np.sqrt(TASTES)  # (products,)
        chance = popularity * np.exp(0.3 * liked)
        chosen = random.choice(products, size=count, replace=False, p=chance / chance.sum())
        stars = MEAN + random.normal(0, OF_USERS) + level[chosen] + OF_TASTE * liked[chosen]
        given = np.clip(np.rint(stars + random.normal(0, NOISE, count)), 1, 5).astype(np.int64)
        when = np.sort(random.integers(0, DAYS * DAY, count)) + START
        rows += zip(when.tolist(), [user + 1] * count, (chosen + 1).tolist(), given.tolist(), strict=True)
    rows.sort()
    path = folder / "ratings.csv"
    with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.write("userId,movieId,rating,timestamp\n")
        file.writelines(f"{user},{product},{stars}.0,{when}\n" for when, user, product, stars in rows)
    return path
