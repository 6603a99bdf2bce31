"""Properties of products as they were: nothing of a later row is seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rec_sys
from rec_sys.dataset.dataset import Dataset, load_data, prepare_data
from rec_sys.dataset.kept_paths import with_found_paths, with_relative_paths
from rec_sys.dataset.properties import ProductProperties
from rec_sys.dataset.settings import DataSettings
from rec_sys.errors import ConfigError, DataError
from rec_sys.paths import Paths
from rec_sys.text.settings import EncoderSettings

DAY = 86_400
START = 1_430_000_000  # seconds
CHANGES = [
    (0, "p0", "categoryid", "11"),
    (0, "p0", "available", "1"),
    (10, "p0", "available", "1"),  # looked at again: no change
    (20, "p0", "categoryid", "12"),
    (20, "p0", "available", "0"),
    (5, "p1", "categoryid", "99"),
    (5, "p1", "790", "n12.000"),
    (5, "p1", "888", "many words"),
    (0, "other", "categoryid", "11"),
]
TREE = "categoryid,parentid\n1,\n11,1\n12,1\n2,\n"


def loaded(folder: Path, **settings: object) -> Dataset:
    lines = [f"{(START + n * DAY) * 1000},u{n % 2},view,p{n % 3},{''}" for n in range(24)]
    (folder / "events.csv").write_text("\n".join(["timestamp,visitorid,event,itemid,transactionid", *lines]))
    rows = [f"{(START + day * DAY) * 1000},{item},{name},{value}" for day, item, name, value in CHANGES]
    (folder / "properties_1.csv").write_text("\n".join(["timestamp,itemid,property,value", *rows[::2]]))
    (folder / "properties_2.csv").write_text("\n".join(["timestamp,itemid,property,value", *rows[1::2]]))
    (folder / "tree.csv").write_text(TREE)
    values = {
        "path": str(folder / "events.csv"),
        "format": "events",
        "category_tree": str(folder / "tree.csv"),
        "item_properties": [str(folder / "properties_1.csv"), str(folder / "properties_2.csv")],
    }
    chosen = DataSettings.read({**values, **settings}, "data")
    return load_data(chosen, EncoderSettings(), Paths(work_dir=folder))


def properties(folder: Path, **settings: object) -> ProductProperties:
    found = loaded(folder, **settings).properties
    assert found is not None
    return found


def categories(found: ProductProperties, day: float) -> list[str]:
    """Of p0, p1 and p2 on a day."""
    return [found.categories.id(number) if number >= 0 else "" for number in found.category_at(START + int(day * DAY))]


def test_categories_are_those_of_the_time(tmp_path: Path) -> None:
    found = properties(tmp_path)
    assert found.products.ids == ["p0", "p1", "p2"]
    assert categories(found, -1) == ["", "", ""]
    assert categories(found, 0) == ["11", "", ""]
    assert categories(found, 19.9) == ["11", "99", ""]
    assert categories(found, 20) == ["12", "99", ""]


def test_availability_is_that_of_the_time(tmp_path: Path) -> None:
    found = properties(tmp_path)
    for day, expected in ((-1, np.nan), (0, 1), (15, 1), (25, 0)):
        assert found.available_at(START + day * DAY).tolist() == pytest.approx([expected, np.nan, np.nan], nan_ok=True)
    of_pairs = found.availability_of(np.array([0, 0, 1]), np.array([START, START + 30 * DAY, START]))
    assert of_pairs.tolist() == pytest.approx([1, 0, np.nan], nan_ok=True)


def test_the_tree_and_categories_that_are_not_in_it(tmp_path: Path) -> None:
    found = properties(tmp_path)
    number = found.categories.number
    above = found.ancestor(np.array([number("11"), number("1"), number("99"), -1]))
    assert above.tolist() == [number("1"), number("1"), number("99"), -1]


def test_other_properties_are_kept_where_they_are_named(tmp_path: Path) -> None:
    found = properties(tmp_path, properties=["790"])
    place = found.value_at("790", np.array([1, 1, 0]), np.array([START, START + 5 * DAY, START + 9 * DAY]))
    assert [found.values[value] if value >= 0 else "" for value in place] == ["", "n12.000", ""]
    with pytest.raises(DataError, match=r"no property '888'.*data.properties=\[888\]"):
        found.value_at("888", np.array([1]), np.array([START]))


def test_what_became_of_the_rows_is_said_and_a_repetition_is_no_change(tmp_path: Path) -> None:
    data = loaded(tmp_path)
    settings = DataSettings.read(data.origin["data"], "data")
    _, prepared = prepare_data(
        with_found_paths(settings.model_dump(), Paths(work_dir=tmp_path)), Paths(work_dir=tmp_path)
    )
    assert prepared.found["properties"] == [
        "9 rows, 8 of these products, 6 kept, 5 changes; 2 of 3 products; 4 categories"
    ]


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ("categoryid,parentid\n1,2\n2,1\n", "is above itself"),
        ("categoryid,parentid\n1,2\n1,3\n", "two parents"),
        ("a,b\n1,2\n", "no column for the category"),
    ],
)
def test_a_tree_that_is_none(tmp_path: Path, tree: str, message: str) -> None:
    (tmp_path / "other.csv").write_text(tree)
    with pytest.raises(DataError, match=message):
        loaded(tmp_path, category_tree=str(tmp_path / "other.csv"))


def test_properties_of_none_of_the_products(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("timestamp,itemid,property,value\n1430000000000,zzz,available,1\n")
    with pytest.raises(DataError, match="none of 1 rows is of one of the 3 products"):
        loaded(tmp_path, item_properties=str(tmp_path / "other.csv"))


def test_reviews_have_no_properties(tmp_path: Path) -> None:
    (tmp_path / "tree.csv").write_text(TREE)
    with pytest.raises(ConfigError, match=r"are for events and orders; data.metadata=FILE"):
        prepare_data(DataSettings(category_tree=str(tmp_path / "tree.csv")), Paths(work_dir=tmp_path))


def test_files_are_kept_without_their_absolute_paths(tmp_path: Path) -> None:
    data = loaded(tmp_path)
    kept = data.origin["data"]
    assert kept["item_properties"] == ["properties_1.csv", "properties_2.csv"]
    assert kept["category_tree"] == "tree.csv"
    found = with_found_paths(kept, Paths(work_dir=tmp_path))
    assert found.item_properties == [str(tmp_path / "properties_1.csv"), str(tmp_path / "properties_2.csv")]
    assert with_relative_paths(found, Paths(work_dir=tmp_path)) == kept


def test_the_sample_has_properties(tmp_path: Path) -> None:
    data = rec_sys.load_dataset("sample:events", work_dir=tmp_path)
    found = data.properties
    assert found is not None
    last = int(data.table.timestamp.max())
    assert (found.category_at(last) >= 0).all()
    assert 0 < (found.available_at(last) == 0).mean() < 0.1
