"""What no single module can promise: the shape of the code, the configuration and the repository."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf

PROJECT = Path(__file__).resolve().parents[1]
CODE = ("rec_sys", "triton_utils", "rec_service", "benchmarks", "tests")
SOURCES = sorted(path for folder in CODE for path in (PROJECT / folder).rglob("*.py"))
LIBRARY = [path for path in SOURCES if path.relative_to(PROJECT).parts[0] not in ("benchmarks", "tests")]
TESTS = [path for path in SOURCES if path.is_relative_to(PROJECT / "tests") and path.name != "conftest.py"]

CONFIG = PROJECT / "config"
YAML_FILES = sorted(path.relative_to(CONFIG).as_posix() for path in CONFIG.rglob("*.y*ml"))


def name(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in LIBRARY}
TREES = {path: ast.parse(path.read_text()) for path in SOURCES}


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def git(*words: str) -> list[str]:
    command = ["git", "-c", "safe.directory=*", "-C", str(PROJECT), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")[:-1]


def tracked() -> list[Path]:
    return [path for item in git("ls-files", "-z") if (path := PROJECT / item).is_file()]


# ---- the code -------------------------------------------------------------------------------------------------------


def test_files_have_a_purpose_and_are_short() -> None:
    assert [name(path) for path in SOURCES if path.stem in ("utils", "helpers", "common", "misc")] == []
    assert [name(path) for path in SOURCES if len(path.read_text().splitlines()) > 400] == []


def test_nothing_loaded_can_run_code() -> None:
    wrong = []
    for path in LIBRARY:
        for node in ast.walk(TREES[path]):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            banned = {"pickle", "cPickle", "dill", "joblib", "marshal", "shelve", "cloudpickle"} & set(modules)
            wrong += [f"{name(path)}: imports {module}" for module in banned]
        for function, call in calls(path):
            flags = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
            where = f"{name(path)}:{call.lineno}: {function}"
            if function == "torch.load" or function.endswith("load_from_checkpoint"):
                wrong += [f"{where} without weights_only=True"] if flags.get("weights_only") != "True" else []
            if function in ("yaml.load", "eval", "exec") or function.endswith(".read_pickle"):
                wrong.append(where)
            if flags.get("allow_pickle", "False") != "False" or flags.get("trust_remote_code", "False") != "False":
                wrong.append(where)
    assert wrong == []


# ---- the configuration ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def schemas() -> None:
    """Register the typed defaults as the commands do when they are imported."""
    for module, path in MODULES.items():
        if any(function.endswith("register_schema") for function, _ in calls(path)):
            importlib.import_module(module)


def composed(primary: str, *overrides: str) -> DictConfig:
    with initialize_config_dir(str(CONFIG), version_base="1.3"):
        return compose(primary, list(overrides), return_hydra_config=True)


def primaries() -> list[str]:
    return [file.removesuffix(".yaml") for file in YAML_FILES if re.fullmatch(r"\w+_config\.yaml", file)]


@pytest.mark.usefixtures("schemas")
@pytest.mark.parametrize("file", YAML_FILES)
def test_every_yaml_composes(file: str) -> None:
    own = OmegaConf.load(CONFIG / file)
    group, _, choice = file.removesuffix(".yaml").rpartition("/")
    if group:
        uses = {
            (primary, str(key))
            for primary in primaries()
            for key in composed(primary).hydra.runtime.choices
            if str(key).partition("@")[0] == group
        }
        for primary, key in uses or {("train_config", f"+{group}")}:
            composed(primary, f"{key}={choice}")
    else:
        assert choice in primaries(), "a file beside the primary configurations that no command reads"
        assert "outputs" in Path(str(composed(choice).hydra.run.dir)).parts
    assert isinstance(own, DictConfig)
    schema = [
        match[1] for entry in own.get("defaults", []) if (match := re.fullmatch(r"/?schema/(.+)@_here_", str(entry)))
    ]
    if schema:
        known = {str(key) for part in schema for key in ConfigStore.instance().load(f"schema/{part}.yaml").node}
        assert {str(key) for key in own} - {"defaults"} <= known


@pytest.mark.parametrize("file", YAML_FILES)
def test_every_yaml_opens_with_the_command_that_uses_it(file: str) -> None:
    text = (CONFIG / file).read_text()
    head = re.match(r"(#.*\n)*", text)
    assert head is not None
    assert "uv run " in head[0]


@pytest.mark.parametrize("file", YAML_FILES)
def test_the_head_of_every_yaml_names_what_exists(file: str) -> None:
    head = re.match(r"(#.*\n)*", (CONFIG / file).read_text())
    assert head is not None
    for module in re.findall(r"uv run -m ([\w.]+)", head[0]):
        assert importlib.util.find_spec(module), module
    named = re.findall(r"(\w+) in ([\w/]+\.py)", head[0])
    assert len(named) == head[0].count(".py"), "expected: CLASS in FILE.py"
    for settings, source in named:
        assert re.search(rf"^class {settings}\(", (PROJECT / source).read_text(), re.MULTILINE), (settings, source)


def test_every_command_has_its_configuration() -> None:
    used = {
        ast.literal_eval(call.args[0])
        for path in LIBRARY
        for function, call in calls(path)
        if function in ("command", "command.command") and name(path) != "rec_sys/command.py"
    }
    assert used == set(primaries())


# ---- the repository -------------------------------------------------------------------------------------------------


def test_repository_holds_no_large_file_and_no_registry_address() -> None:
    hooks = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    address = next(re.compile(hook["entry"].encode()) for hook in hooks if hook["id"] == "registry-address")
    assert address.search(b"https://mirror.example/" + b"simple/torch")  # the pattern itself works
    files = tracked()
    assert len(files) > 20
    assert [name(path) for path in files if path.stat().st_size > 1_000_000] == []
    assert [name(path) for path in files if address.search(path.read_bytes())] == []
    assert "uv.lock" not in [name(path) for path in files]


def test_the_stages_can_be_run_and_their_outputs_stay_out_of_git() -> None:
    dvc = yaml.safe_load((PROJECT / "dvc.yaml").read_text())
    work_dir = f"{dvc['vars'][0]['work_dir']}/"
    listed = [work_dir, "dvc.lock"]
    command = ["git", "-c", "safe.directory=*", "-C", str(PROJECT), "check-ignore", "--no-index", *listed]
    ignored = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert ignored == [work_dir]  # dvc refuses to write a dvc.lock that git ignores
    read = {path for stage in dvc["stages"].values() for path in stage["deps"] if "$" not in path}
    assert [path for path in sorted(read) if not (PROJECT / path).exists()] == []


def test_ci_can_be_run() -> None:
    assert os.access(PROJECT / ".ci/run", os.X_OK)


def test_every_mark_is_declared() -> None:
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    known = {line.partition(":")[0] for line in settings["markers"]} | {"parametrize", "filterwarnings", "usefixtures"}
    attributes = {
        ast.unparse(node) for path in TESTS for node in ast.walk(TREES[path]) if isinstance(node, ast.Attribute)
    }
    marks = {text.removeprefix("pytest.mark.") for text in attributes if re.fullmatch(r"pytest\.mark\.\w+", text)}
    assert marks <= known


def test_only_missing_real_data_a_missing_gpu_and_a_missing_database_skip() -> None:
    skips = {
        "pytest.skip",
        "pytest.importorskip",
        "pytest.xfail",
        "pytest.mark.skip",
        "pytest.mark.skipif",
        "pytest.mark.xfail",
    }
    conftest = PROJECT / "tests/conftest.py"
    found = {
        path: [ast.unparse(call) for function, call in calls(path) if function in skips] for path in (*TESTS, conftest)
    }
    kinds = [text for text in found.pop(conftest) if "REC_SYS_SHARED_DATA" not in text]
    assert kinds == [
        "pytest.skip('no PostgreSQL (set REC_SYS_TEST_POSTGRES)')",
        "pytest.mark.skip(reason='no CUDA device')",
    ]
    assert {name(path): texts for path, texts in found.items() if texts} == {}
    imported = {
        name(path)
        for path in (*TESTS, conftest)
        for node in ast.walk(TREES[path])
        if isinstance(node, ast.ImportFrom) and node.module in ("pytest", "unittest")
    }
    assert imported == set()  # names of pytest are written out, so that none is overlooked above
