"""The documentation: what it names exists, it builds as a site without a warning, and its pages fetch nothing."""

from __future__ import annotations

import functools
import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

PROJECT = Path(__file__).resolve().parents[1]
DOCS = PROJECT / "docs"
FOLDERS = ("", "checkpoints", "triton_utils/model_repository")  # each with a README.md
PAGES = [*(PROJECT / folder / "README.md" for folder in FOLDERS), *sorted(DOCS.rglob("*.md"))]

# Classes for which the theme's script would load a library from elsewhere.
LOADED_ON_DEMAND = {"mermaid", "pyodide", "glightbox"}
FETCHING = {"src", "srcset", "poster", "data", "background"}
MISSING = object()
FILES_OF_MODELS = ("model.onnx", "model.py")
ONLY_NAMES = {"canonical", "prev", "next", "alternate", "edit", "license", "author"}  # links that fetch nothing


def name(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


# ---- what the pages name --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_on_a_page_exist(page: Path) -> None:
    commands = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", page.read_text(), re.DOTALL))
    for module in re.findall(r"(?:uv run|python3?) -m ([\w.]+)", commands) + re.findall(r"uvicorn ([\w.]+):", commands):
        assert importlib.util.find_spec(module), module
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:`|^|\n)make ([a-z-]+)", commands)) <= targets
    for script in re.findall(r"uv run python ((?!-)\S+\.py)", commands):
        assert (PROJECT / script).is_file(), script


def commands_on(page: Path) -> list[tuple[str, list[str]]]:
    """The module and the settings of each command of this project in the code blocks of a page."""
    blocks = "\n".join(re.findall(r"```bash\n(.*?)```", page.read_text(), re.DOTALL)).replace("\\\n", " ")
    found = re.findall(r"uv run (?:python )?-m ((?:rec_sys|triton_utils)[\w.]+)([^\n|]*)", blocks)
    return [(module, [word for word in shlex.split(words, comments=True) if "=" in word]) for module, words in found]


@functools.cache
def settings_of(module: str, recommender: str = "") -> DictConfig:
    """All settings of a command by their defaults; empty where it is no command of Hydra's.

    Args:
        module: of the command.
        recommender: whose settings are among those of training.
    """
    source = Path(str(importlib.import_module(module).__file__)).read_text()
    primary = re.search(r'^@command\("(\w+)"\)', source, re.MULTILINE)
    if primary is None:
        return OmegaConf.create({})
    with initialize_config_dir(str(PROJECT / "config"), version_base="1.3"):
        chosen = [f"recommender={recommender}"] if recommender else []
        settings = compose(primary[1], ["+search=default", *chosen] if primary[1] == "train_config" else chosen)
    OmegaConf.set_struct(settings, False)  # what is missing is looked for below
    return settings


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_settings_of_commands_on_a_page_exist(page: Path) -> None:
    for module, words in commands_on(page):
        recommender = next((word.partition("=")[2] for word in words if word.startswith("recommender=")), "")
        settings = settings_of(module, recommender)
        for word in words if settings else []:
            setting = word.partition("=")[0].lstrip("+~-")
            assert OmegaConf.select(settings, setting, default=MISSING) is not MISSING, f"{module} {word}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_settings_named_in_the_text_of_a_page_exist(page: Path) -> None:
    settings = settings_of("rec_sys.train.train")
    for span in re.findall(r"`([^`\n]+)`", page.read_text()):
        for setting in re.findall(r"(?<!\S)((?:model|train|split|encoder|search)\.[a-z_]+)(?:=\S+)?(?!\S)", span):
            if setting not in FILES_OF_MODELS:
                assert OmegaConf.select(settings, setting, default=MISSING) is not MISSING, setting


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_files_named_on_a_page_exist(page: Path) -> None:
    """A path in backticks is read from the root of the repository, of the package, or of the page's own folder."""
    paths = re.findall(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|yaml|toml|md|json|lock))`", page.read_text())
    made_by_commands = ("triton_utils/model_repository/", "reports/", "searches/")
    missing = [
        path
        for path in paths
        if not path.startswith(made_by_commands)
        and not any((root / path).is_file() for root in (PROJECT, PROJECT / "rec_sys", page.parent))
    ]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_on_a_page_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)[^)]*\)", page.read_text()):
        if not re.match(r"[a-z]+:", link):
            target, _, anchor = link.partition("#")
            file = (page.parent / target).resolve() if target else page
            assert file.exists(), link
            assert not page.is_relative_to(DOCS) or file.is_relative_to(DOCS), f"{link} does not exist on the site"
            assert not anchor or anchor in anchors(file), link


def anchors(page: Path) -> set[str]:
    """The anchors of the headings of a page, as GitHub and the site make them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = (re.sub(r"[^\w\s-]", "", heading.lower()) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE))
    return {re.sub(r"\s+", "-", heading.strip()) for heading in headings}


# ---- the site -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site. It is built from a copy, since the builder writes its cache beside its configuration."""
    folder = tmp_path_factory.mktemp("documentation")
    shutil.copy(PROJECT / "zensical.toml", folder)
    shutil.copytree(DOCS, folder / "docs")
    shutil.copytree(PROJECT / "rec_sys", folder / "rec_sys", ignore=shutil.ignore_patterns("__pycache__"))
    build = [str(Path(sys.executable).with_name("zensical")), "build", "--strict"]
    done = subprocess.run(build, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


class Fetches(HTMLParser):
    """Addresses that a browser fetches when it shows a page, and the classes of its elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses: list[str] = re.findall(r"url\(\s*['\"]?([^'\")]+)", page)
        self.classes: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        self.classes |= set(values.get("class", "").split())
        self.addresses += [values[key] for key in FETCHING & set(values)]
        if tag == "link" and not set(values.get("rel", "").split()) <= ONLY_NAMES:
            self.addresses.append(values.get("href", ""))


def foreign(addresses: list[str]) -> list[str]:
    return [address for address in addresses if urlsplit(address).netloc]


def test_foreign_addresses_are_seen() -> None:
    page = """<link rel="preconnect" href="https://a.example"><link rel="canonical" href="https://no.example/">
        <script src="//b.example/x.js"></script><img src="own.png"><style>p {background: url("https://c.example/x")}</style>
        <a href="https://no.example">read</a>"""
    assert {urlsplit(address).netloc[0] for address in foreign(Fetches(page).addresses)} == {"a", "b", "c"}


def test_every_page_is_on_the_site(site: Path) -> None:
    built = {path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.html")} - {"404"}
    assert built == {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")}


def test_every_page_is_in_the_navigation() -> None:
    listed = re.findall(r'"([\w/-]+\.md)"', (PROJECT / "zensical.toml").read_text())
    assert sorted(listed) == sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))


def test_pages_fetch_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        fetches = Fetches(page.read_text())
        assert foreign(fetches.addresses) == [], page.name
        assert LOADED_ON_DEMAND & fetches.classes == set(), page.name


def test_style_sheets_fetch_nothing_from_elsewhere(site: Path) -> None:
    sheets = {path.name: path.read_text() for path in site.rglob("*.css")}
    assert sheets
    named = {sheet: re.findall(r"(?:url\(|@import)\s*['\"]?([^'\")\s;]+)", text) for sheet, text in sheets.items()}
    assert {sheet: found for sheet, addresses in named.items() if (found := foreign(addresses))} == {}


def test_pictures_on_the_site_exist(site: Path) -> None:
    for page in site.rglob("*.html"):
        pictures = re.findall(r'<img[^>]*\ssrc="([^":]+)"', page.read_text())
        assert [picture for picture in pictures if not (page.parent / picture).is_file()] == [], page.name
