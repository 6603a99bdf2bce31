"""Where raw files come from, with a real server on this machine in the place of the authors'."""

from __future__ import annotations

import functools
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from rec_sys.dataset.sources.locate import RawFiles, SourceSettings, locate
from rec_sys.dataset.sources.sample import write_sample
from rec_sys.errors import ConfigError, DataError, DownloadError

CONFIG = Path(__file__).parents[3] / "config" / "data"
SMALL = {"sample_users": 4, "sample_products": 12, "sample_reviews": 20}


@dataclass
class Web:
    address: str
    folder: Path
    asked: list[str]  # paths, in order


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            super().do_GET()

        def log_message(self, *args: Any) -> None:
            pass

    asked: list[str] = []
    folder = tmp_path / "web"
    files = write_sample(folder, 0, 4, 12, 20)
    files.metadata.rename(folder / "meta.json.gz")
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Web(f"http://127.0.0.1:{server.server_address[1]}", folder, asked)
        server.shutdown()
        thread.join()


def web_settings(web: Web, **more: Any) -> SourceSettings:
    urls = {"url": f"{web.address}/reviews.json.gz?a=b", "metadata_url": f"{web.address}/meta.json.gz"}
    return SourceSettings(name="shop", **urls | more)


def test_the_sample_is_made_once(tmp_path: Path) -> None:
    settings = SourceSettings(**SMALL)
    first = locate(settings, tmp_path)
    assert first.name == "sample"
    assert first.metadata
    assert first.reviews.is_relative_to(tmp_path / "sample")
    before = first.reviews.stat()
    assert locate(settings, tmp_path) == first
    assert first.reviews.stat().st_mtime_ns == before.st_mtime_ns
    first.metadata.unlink()  # half a sample is made again
    locate(settings, tmp_path)
    assert first.metadata.exists()


@pytest.mark.parametrize("other", [{"sample_seed": 1}, {"sample_products": 13}, {"sample_reviews": 21}])
def test_another_sample_is_another_file(tmp_path: Path, other: dict[str, int]) -> None:
    one = locate(SourceSettings(**SMALL), tmp_path).reviews
    two = locate(SourceSettings(**SMALL | other), tmp_path).reviews
    assert one != two
    assert one.read_bytes() != two.read_bytes()


def test_an_impossible_sample(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.sample_reviews"):
        locate(SourceSettings(**SMALL | {"sample_reviews": 19}), tmp_path)


@pytest.mark.parametrize("name", ["sample", "file", "interactions"])
def test_a_path_wins(tmp_path: Path, name: str) -> None:
    path = tmp_path / "my.reviews.csv"
    path.write_text("a,b\n")
    settings = SourceSettings(name=name, path=str(path))
    assert locate(settings, tmp_path / "data") == RawFiles(path, None, "my")
    assert not (tmp_path / "data").exists()


def test_the_name_of_a_file_becomes_one_that_commands_can_bear(tmp_path: Path) -> None:
    path = tmp_path / "my reviews, (1)=all.csv"
    path.write_text("a,b\n")
    assert locate(SourceSettings(path=str(path)), tmp_path).name == "my_reviews_1_all"


def test_a_path_wins_over_an_address(web: Web, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("a,b\n")
    assert locate(web_settings(web, path=str(path)), tmp_path) == RawFiles(path, None, "shop")
    assert web.asked == []


def test_metadata_of_ones_own(web: Web, tmp_path: Path) -> None:
    path = tmp_path / "products.csv"
    path.write_text("a,b\n")
    for settings in (
        SourceSettings(path=str(path), metadata=str(path)),
        SourceSettings(**SMALL, metadata=str(path)),
        web_settings(web, metadata=str(path)),
    ):
        assert locate(settings, tmp_path).metadata == path
    assert web.asked == ["/reviews.json.gz?a=b"]


def test_home_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.csv").write_text("a,b\n")
    assert locate(SourceSettings(path="~/mine.csv"), tmp_path).reviews == tmp_path / "mine.csv"


@pytest.mark.parametrize("setting", ["path", "metadata"])
def test_a_file_that_is_not_there(tmp_path: Path, setting: str) -> None:
    with pytest.raises(DataError, match=rf"data\.{setting}=nowhere\.csv does not exist"):
        locate(SourceSettings(**SMALL | {setting: "nowhere.csv"}), tmp_path)


def test_ids_of_numbered_people_and_products(tmp_path: Path) -> None:
    for name in ("reviews", "users", "products"):
        (tmp_path / name).touch()
    given = {"path": "reviews", "user_ids": "users", "product_ids": "products"}
    settings = SourceSettings(name="shop", **{key: str(tmp_path / name) for key, name in given.items()})
    files = locate(settings, tmp_path)
    assert files == RawFiles(tmp_path / "reviews", None, "shop", tmp_path / "users", tmp_path / "products")
    with pytest.raises(DataError, match=r"data\.user_ids=nowhere does not exist"):
        locate(SourceSettings(name="shop", path=str(tmp_path / "reviews"), user_ids="nowhere"), tmp_path)


@pytest.mark.parametrize("given", ["", "/nowhere/data"])
def test_a_missing_folder_of_data_sets_says_what_to_set(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REC_SYS_SHARED_DATA", given)
    path = f"{given or '../shared/data'}/set/reviews.csv"
    with pytest.raises(DataError) as caught:
        locate(SourceSettings(name="set", path=path), tmp_path)
    assert str(caught.value) == (
        f"data.path={path} does not exist (looked for {Path.cwd() / path}); set REC_SYS_SHARED_DATA to the folder of "
        f"the data sets, or give the file with data.path=FILE"
    )


@pytest.mark.parametrize("metadata", ["none", None, ""])
def test_without_metadata(web: Web, tmp_path: Path, metadata: str | None) -> None:
    assert locate(SourceSettings(**SMALL, metadata=metadata), tmp_path).metadata is None
    assert locate(web_settings(web, metadata=metadata), tmp_path).metadata is None
    assert web.asked == ["/reviews.json.gz?a=b"]


def test_fetched_once(web: Web, tmp_path: Path) -> None:
    files = locate(web_settings(web), tmp_path / "data")
    folder = tmp_path / "data" / "shop"
    assert files == RawFiles(folder / "reviews.json.gz", folder / "meta.json.gz", "shop")
    assert files.reviews.read_bytes() == (web.folder / "reviews.json.gz").read_bytes()
    assert locate(web_settings(web), tmp_path / "data") == files
    assert len(web.asked) == 2


def test_metadata_that_cannot_be_had_is_an_error_with_a_way_out(web: Web, tmp_path: Path) -> None:
    (web.folder / "meta.json.gz").unlink()
    with pytest.raises(DownloadError, match=r"meta\.json\.gz answered 404 .*data\.metadata=FILE.*data\.metadata=none$"):
        locate(web_settings(web), tmp_path)
    assert locate(web_settings(web, metadata="none"), tmp_path).metadata is None
    assert web.asked.count("/reviews.json.gz?a=b") == 1  # what had come was kept


def test_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/reviews.json.gz"
        with pytest.raises(DownloadError, match=r"check the network, or .* data\.path=FILE$"):
            locate(SourceSettings(name="shop", url=url), tmp_path)


@pytest.mark.parametrize("name", ["file", "smaple"])
def test_neither_path_nor_address(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"'{name}' has neither data\.path nor data\.url; give data\.path=FILE"):
        locate(SourceSettings(name=name), tmp_path)


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden"])
def test_a_name_is_a_folder_below_the_data(name: str) -> None:
    with pytest.raises(ConfigError, match=r"data\.name="):
        SourceSettings.read({"name": name}, "data")


@pytest.mark.parametrize("path", sorted(CONFIG.glob("*.yaml")), ids=lambda path: path.stem)
def test_configuration_files(path: Path) -> None:
    text = path.read_text()
    assert text.startswith("# uv run -m ")
    assert f"data={path.stem}" in text.splitlines()[0]
    values = yaml.safe_load(text)
    assert values.pop("defaults") == ["/schema/data@_here_", "_self_"]
    assert values["name"] == path.stem
    source = {key: value for key, value in values.items() if key in SourceSettings.model_fields}
    settings = SourceSettings.read(source, "data")
    defaults = SourceSettings().model_dump()
    assert not [key for key in source if key != "name" and defaults[key] == getattr(settings, key)]


def test_the_known_data_sets_are_there_and_offered() -> None:
    assert {path.stem for path in CONFIG.glob("*.yaml")} == {
        *("sample", "file", "interactions", "ratings", "events", "orders", "musical_instruments"),
        *("musical_instruments_2014", "instruments_2018", "scientific_2018", "sports_2014", "lastfm"),
        *("retailrocket", "online_retail"),
    }
    for primary in ("train_config.yaml", "prepare_config.yaml"):
        choices = re.search(r"Choices: data=(\S+)", (CONFIG.parent / primary).read_text())
        assert choices
        assert set(choices[1].split("|")) == {path.stem for path in CONFIG.glob("*.yaml")}
