"""The rules of imports in docs/architecture.md: which part may import which, and what importing it may load."""

from __future__ import annotations

import ast
import graphlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from rec_sys.recommenders.registry import RECOMMENDERS

PROJECT = Path(__file__).resolve().parents[1]
CODE = ("rec_sys", "triton_utils", "rec_chat", "rec_service", "benchmarks", "tests")

# Each line may import from the lines above it.
LAYERS = (
    (
        *(
            "arrays",
            "columns",
            "errors",
            "closest",
            "ids",
            "files",
            "frames",
            "locks",
            "settings",
            "paths",
            "passwords",
        ),
        *("progress", "terminal", "tables", "allocator", "command", "command_names", "__main__"),
    ),
    ("text",),
    ("dataset",),
    ("metrics", "tracking"),
    ("recommenders",),
    ("evaluation", "vector_database", "modules"),
    ("inference",),
    ("train",),
    ("triton_utils", "rec_chat"),
    ("rec_service",),
    ("benchmarks",),
    ("tests",),
)
LAYER_OF = {part: number for number, parts in enumerate(LAYERS) for part in parts}

# A model imports no other one, but for what is EASE inside.
MODELS = {home.partition(":")[0] for home in RECOMMENDERS.values()} | {"rec_sys.recommenders.rating_bias"}
BUILT_ON_EASE = {
    ("rec_sys.recommenders.text_ease", "rec_sys.recommenders.ease"),
    ("rec_sys.recommenders.next_item", "rec_sys.recommenders.ease"),
    ("rec_sys.recommenders.graph.fit_item_factors", "rec_sys.recommenders.ease"),
    ("rec_sys.recommenders.graph.fit_item_factors", "rec_sys.recommenders.text_ease"),
}

WEB = {"fastapi", "starlette", "uvicorn", "redis"}
SLOW = (
    "torch",
    "torch_geometric",
    "lightning",
    "mlflow",
    "optuna",
    "matplotlib",
    "transformers",
    "sentence_transformers",
)
WITHOUT_TORCH = (*LAYERS[0], "dataset", "metrics", "inference")
WITH_TORCH = {"rec_sys.inference.torch_encoder", "rec_sys.inference.graph_model"}  # the network itself

SOURCES = {
    ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__"): path
    for folder in CODE
    for path in sorted((PROJECT / folder).rglob("*.py"))
}
LIBRARY = {module for module in SOURCES if module.partition(".")[0] not in ("benchmarks", "tests")}
COMMANDS = {module for module in LIBRARY if '__name__ == "__main__"' in SOURCES[module].read_text()}


def part_of(module: str) -> str:
    """The part of LAYERS a module belongs to."""
    parts = module.split(".")
    return parts[1] if parts[0] == "rec_sys" and len(parts) > 1 else parts[0]


def import_statements(module: str) -> Iterator[tuple[str, str]]:
    """What a module imports, at its head or inside a function: (module, name), the name empty with `import module`."""
    for node in ast.walk(ast.parse(SOURCES[module].read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno} relative import"
            yield from ((str(node.module), alias.name) for alias in node.names)


IMPORTS = {module: set(import_statements(module)) for module in SOURCES}


def imported(module: str) -> set[str]:
    """The modules of this project that a module imports."""
    found = {f"{home}.{name}" if f"{home}.{name}" in SOURCES else home for home, name in IMPORTS[module]}
    return found & set(SOURCES)


def imported_packages(module: str) -> set[str]:
    """The packages that a module imports, by their first names."""
    return {home.partition(".")[0] for home, _ in IMPORTS[module]}


# ---- who may import whom --------------------------------------------------------------------------------------------


def test_every_part_has_a_layer() -> None:
    assert {part_of(module) for module in SOURCES if module != "rec_sys"} <= set(LAYER_OF)


def test_imports_run_one_way() -> None:
    wrong = [
        f"{module} imports {other}"
        for module in SOURCES
        if module != "rec_sys"
        for other in imported(module) - {"rec_sys"}
        if LAYER_OF[part_of(other)] > LAYER_OF[part_of(module)]
    ]
    assert wrong == []


def test_no_import_cycle() -> None:
    graph = {module: imported(module) - {module} for module in SOURCES}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the cycle


def test_no_module_imports_a_name_that_another_keeps_to_itself() -> None:
    wrong = [
        f"{module}: from {home} import {name}"
        for module in SOURCES
        for home, name in IMPORTS[module]
        if home in SOURCES and name.startswith("_") and not name.startswith("__")
    ]
    assert wrong == []


def test_models_do_not_know_each_other() -> None:
    """Those of the graph are one model; what all models share knows none."""

    def model_of(module: str) -> str | None:
        if module.startswith("rec_sys.recommenders.graph."):
            return "rec_sys.recommenders.graph"
        return module if module in MODELS else None

    found = {
        (module, other)
        for module in SOURCES
        if part_of(module) == "recommenders"
        for other in imported(module)
        if model_of(other) not in (None, model_of(module))
    }
    assert found == BUILT_ON_EASE


def test_only_commands_import_the_frame_of_commands() -> None:
    assert [module for module in LIBRARY - COMMANDS if "rec_sys.command" in imported(module)] == []


def test_hydra_is_for_commands_and_training() -> None:
    users = {module for module in LIBRARY if "hydra" in imported_packages(module)}
    assert [module for module in users - COMMANDS - {"rec_sys.command"} if part_of(module) != "train"] == []


def test_http_servers_are_for_the_web_app() -> None:
    users = [module for module in LIBRARY if imported_packages(module) & WEB]
    outside = ("triton_utils.web", "rec_service")
    assert [module for module in users if not module.startswith(outside)] == []
    assert "triton_utils.web_app" in users  # the rule sees what it is about


# ---- what an import loads -------------------------------------------------------------------------------------------

SCRIPT = """
import importlib, json, sys
for module, banned in json.load(sys.stdin):
    importlib.import_module(module)
    if found := set(banned) & set(sys.modules):
        sys.exit(f"importing {module} loads {', '.join(sorted(found))}")
"""


def first_to_load(modules: Sequence[tuple[str, tuple[str, ...]]]) -> str:
    """Import modules in one process; returns what is said of the first that loads what it must not, or nothing."""
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT]
    done = subprocess.run(command, cwd=PROJECT, input=json.dumps(modules), capture_output=True, text=True, timeout=120)
    return done.stderr.strip()


def test_importing_does_not_load_what_takes_seconds() -> None:
    """Settings, data, metrics and recommending, then commands, which answer --help and a typing error at once."""
    light = {module for module in LIBRARY if module.endswith("settings") or part_of(module) in WITHOUT_TORCH}
    light -= COMMANDS | WITH_TORCH | {"rec_sys.command"}
    assert {"rec_sys.recommenders.graph.settings", "rec_sys.inference.recommend"} <= light
    assert {"rec_sys.train.train", "rec_sys.modules.model_export", "triton_utils.deploy"} <= COMMANDS
    asked = [(module, (*SLOW, "hydra")) for module in sorted(light)] + [(module, SLOW) for module in sorted(COMMANDS)]
    assert first_to_load(asked) == ""


@pytest.mark.parametrize(("module", "found"), [("json", "json"), ("rec_sys.command", "hydra")])
def test_what_an_import_loads_is_seen(module: str, found: str) -> None:
    assert first_to_load([(module, (found,))]) == f"importing {module} loads {found}"
