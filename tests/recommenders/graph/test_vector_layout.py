"""The one place that knows which coordinates mean what."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_sys.recommenders.graph.settings import Blend, layout_of
from rec_sys.recommenders.graph.vector_layout import CONTENT, ITEM_BIAS, RATING_BIAS, VectorLayout, content_part
from tests.conftest import PROJECT

FOLDERS = ("recommenders/graph", "inference", "vector_database", "modules")
LAYOUT_FILE = PROJECT / "rec_sys/recommenders/graph/vector_layout.py"

layouts = st.builds(
    VectorLayout, st.integers(1, 300), st.integers(0, 300), st.integers(0, 300), is_blended=st.just(True)
) | st.builds(VectorLayout, st.integers(1, 300))


def covered(length: int, *parts: slice) -> list[int]:
    """The coordinates of some parts, in their order."""
    return [place for part in parts for place in range(length)[part]]


@given(layouts)
def test_the_parts_of_a_vector_cover_every_coordinate_once(layout: VectorLayout) -> None:
    remainder = slice(layout.item_factors.stop, layout.codes.start)  # what is left of the length
    parts = (RATING_BIAS, layout.preference, layout.item_factors, remainder, layout.codes)
    assert covered(layout.vector_dim, *parts) == list(range(layout.vector_dim))
    assert len(covered(layout.vector_dim, remainder)) == int(layout.is_blended)
    for part, length in ((layout.preference, layout.dim), (layout.item_factors, layout.rank)):
        assert len(covered(layout.vector_dim, part)) == length
    assert len(covered(layout.vector_dim, layout.codes)) == layout.num_codes
    similar = covered(layout.vector_dim, layout.similarity)
    assert similar == covered(layout.vector_dim, layout.preference, layout.item_factors)
    assert similar == covered(layout.vector_dim, content_part(layout.similarity_dim))
    assert covered(layout.vector_dim, RATING_BIAS, CONTENT) == list(range(layout.vector_dim))


@given(layouts)
def test_the_parts_of_a_history_state_cover_every_coordinate_once(layout: VectorLayout) -> None:
    parts = (slice(ITEM_BIAS, ITEM_BIAS + 1), layout.history_state, layout.history_factors, layout.history_codes)
    assert covered(layout.history_dim, *parts) == list(range(layout.history_dim))
    sizes = [len(covered(layout.history_dim, part)) for part in parts]
    assert sizes == [1, layout.dim, layout.rank, layout.num_codes]


def test_a_layout_follows_from_the_blend() -> None:
    assert layout_of(16, None) == VectorLayout(16)
    blend = Blend(rank=5, weight=0.5, num_codes=3, penalty=0.1)
    assert layout_of(16, blend) == VectorLayout(16, rank=5, num_codes=3, is_blended=True)
    assert layout_of(16, blend).vector_dim == 1 + 16 + 5 + 1 + 3
    assert layout_of(16, None).vector_dim == layout_of(16, None).history_dim == 17


def arithmetic_on_vectors(code: str) -> list[int]:
    """Lines that count coordinates themselves: `1 + dim`, `[:, 1:]`, `slice(1, ...)`; docstrings are free to."""
    nodes = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.expr) and _counts(node)]
    return sorted({node.lineno for node in nodes})


def _counts(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        sides = (node.left, node.right)
        return any(_is_one(side) for side in sides) and any("dim" in _name(side) for side in sides)
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple):
        columns = node.slice.elts[1:]
        return any(isinstance(column, ast.Slice) and _is_one(column.lower) for column in columns)
    return isinstance(node, ast.Call) and _name(node.func) == "slice" and bool(node.args) and _is_one(node.args[0])


def _is_one(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and node.value == 1


def _name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


@pytest.mark.parametrize("folder", FOLDERS)
def test_nobody_else_counts_coordinates(folder: str) -> None:
    files = [path for path in (PROJECT / "rec_sys" / folder).rglob("*.py") if path != LAYOUT_FILE]
    assert files
    found = {path.name: arithmetic_on_vectors(path.read_text(encoding="utf-8")) for path in files}
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "line",
    ["x = 1 + dim", "x = self.dim + 1", "x = v[:, 1:]", "x = v[:, 1 : 1 + d]", "x = v[rows, 1:9]", "x = slice(1, n)"],
)
def test_counting_is_seen(line: str) -> None:
    assert arithmetic_on_vectors(line) == [1]
    assert arithmetic_on_vectors(f'"""{line}"""\nx = v[1:]\ny = 1 + place') == []


def test_the_layout_file_is_where_counting_is() -> None:
    assert arithmetic_on_vectors(LAYOUT_FILE.read_text(encoding="utf-8"))
