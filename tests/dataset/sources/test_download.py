"""Downloads from a real server on this machine that misbehaves on request."""

from __future__ import annotations

import gzip
import hashlib
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import orjson
import pytest

from rec_sys.dataset.sources.download import ATTEMPTS, SafeRedirects, download
from rec_sys.errors import DownloadError
from rec_sys.locks import exclusive

CONTENT = gzip.compress(np.random.default_rng(0).bytes(900_000), mtime=0)
HALF = len(CONTENT) // 2


class Server(ThreadingHTTPServer):
    """Serves CONTENT under every path; the attributes say how badly."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.tag = '"one"'
        self.breaks = 0  # answers still to be broken off in the middle
        self.busy = 0  # answers still to be 503
        self.hang_ups = 0  # connections still to be closed without an answer
        self.ranges = True
        self.says_length = True
        self.claimed_length: int | None = None
        self.status = 200
        self.location = ""
        self.asked: list[str | None] = []  # the Range of every request

    def url(self, path: str = "/reviews.json.gz") -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        server = self.server
        wanted = self.headers.get("Range")
        server.asked.append(wanted)
        if server.hang_ups:
            server.hang_ups -= 1
            return
        if server.busy or server.status != 200:
            self.send_response(503 if server.busy else server.status)
            server.busy = max(server.busy - 1, 0)
            if server.location:
                self.send_header("Location", server.location)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = 0
        if wanted and server.ranges and self.headers.get("If-Range", server.tag) == server.tag:
            match = re.fullmatch(r"bytes=(\d+)-", wanted)
            assert match
            start = int(match[1])
            if start >= len(server.content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(server.content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        else:
            self.send_response(200)
        body = server.content[start:]
        if server.says_length:
            self.send_header("Content-Length", str(server.claimed_length or len(body)))
        self.send_header("ETag", server.tag)
        self.end_headers()
        if server.breaks:
            server.breaks -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def fetch(server: Server, to: Path, **more: Any) -> Path:
    return download(server.url(), to, **{"pause": 0.0, "timeout": 5.0} | more)


def only(to: Path) -> bool:
    """The folder holds the file and nothing else."""
    return [path.name for path in to.parent.iterdir()] == [to.name]


def leave_part(server: Server, to: Path, content: bytes, tag: str = '"one"') -> None:
    """What a download that was killed leaves behind."""
    to.parent.mkdir(parents=True, exist_ok=True)
    to.with_name(f"{to.name}.part").write_bytes(content)
    to.with_name(f"{to.name}.part.json").write_bytes(orjson.dumps({"url": server.url(), "validator": tag}))


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "new" / "folder" / "reviews.json.gz"


def test_whole_file_arrives(server: Server, to: Path) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert fetch(server, to, sha256=digest.upper(), size=len(CONTENT)) == to
    assert to.read_bytes() == CONTENT
    assert only(to)
    assert server.asked == [None]


@pytest.mark.parametrize("says_length", [True, False])
def test_an_old_file_is_replaced(server: Server, to: Path, says_length: bool) -> None:
    server.says_length = says_length
    to.parent.mkdir(parents=True)
    to.write_bytes(b"old")
    fetch(server, to)
    assert to.read_bytes() == CONTENT


def test_a_broken_connection_goes_on_where_it_stopped(server: Server, to: Path) -> None:
    server.breaks = 2
    fetch(server, to)
    assert to.read_bytes() == CONTENT
    quarter = len(CONTENT) - HALF
    assert server.asked == [None, f"bytes={HALF}-", f"bytes={HALF + quarter // 2}-"]


def test_a_killed_download_goes_on_at_the_next_start(server: Server, to: Path) -> None:
    leave_part(server, to, CONTENT[:1000])
    fetch(server, to)
    assert to.read_bytes() == CONTENT
    assert server.asked == ["bytes=1000-"]
    assert only(to)


def test_a_file_that_changed_meanwhile_comes_whole(server: Server, to: Path) -> None:
    leave_part(server, to, b"\x1f\x8b" + b"old" * 500, tag='"zero"')
    fetch(server, to)
    assert to.read_bytes() == CONTENT


def test_part_of_another_address_is_not_taken(server: Server, to: Path) -> None:
    leave_part(server, to, b"\x1f\x8bother")
    download(server.url("/other.gz"), to)
    assert to.read_bytes() == CONTENT
    assert server.asked == [None]


def test_part_of_unknown_origin_is_not_taken(server: Server, to: Path) -> None:
    to.parent.mkdir(parents=True)
    to.with_name(f"{to.name}.part").write_bytes(b"\x1f\x8bother")
    fetch(server, to)
    assert to.read_bytes() == CONTENT


@pytest.mark.parametrize("damaged", [b"", b"{", b"[]"])
def test_a_damaged_note_starts_over(server: Server, to: Path, damaged: bytes) -> None:
    leave_part(server, to, b"\x1f\x8bother")
    to.with_name(f"{to.name}.part.json").write_bytes(damaged)
    fetch(server, to)
    assert to.read_bytes() == CONTENT


def test_a_server_without_ranges_starts_over(server: Server, to: Path) -> None:
    server.ranges = False
    server.breaks = 1
    fetch(server, to)
    assert to.read_bytes() == CONTENT


def test_killed_between_the_last_byte_and_the_rename(server: Server, to: Path) -> None:
    leave_part(server, to, CONTENT)
    fetch(server, to)
    assert to.read_bytes() == CONTENT
    assert server.asked == [f"bytes={len(CONTENT)}-"]  # answered with 416


def test_a_part_longer_than_the_file_starts_over(server: Server, to: Path) -> None:
    leave_part(server, to, CONTENT + b"more")
    fetch(server, to)
    assert to.read_bytes() == CONTENT


def test_passing_troubles_are_tried_again(server: Server, to: Path) -> None:
    server.busy = 1
    server.hang_ups = 2
    fetch(server, to)
    assert to.read_bytes() == CONTENT
    assert len(server.asked) == 4


def test_giving_up_keeps_what_came(server: Server, to: Path) -> None:
    server.breaks = ATTEMPTS
    with pytest.raises(DownloadError, match=r"broke off 5 times \(.*run again to go on"):
        fetch(server, to)
    assert not to.exists()
    fetch(server, to)
    assert to.read_bytes() == CONTENT
    assert server.asked[-1] != "bytes=0-"


def test_a_server_that_promises_more_than_it_has(server: Server, to: Path) -> None:
    server.claimed_length = len(CONTENT) + 5
    server.ranges = False
    with pytest.raises(DownloadError, match=rf"broke off 5 times .*, {len(CONTENT):,} bytes are kept"):
        fetch(server, to)
    assert not to.exists()


@pytest.mark.parametrize("says_length", [True, False])
def test_wrong_size(server: Server, to: Path, says_length: bool) -> None:
    server.says_length = says_length
    with pytest.raises(
        DownloadError, match=rf"{len(CONTENT):,} bytes, expected {len(CONTENT) - 1:,}; .*data\.path=FILE"
    ):
        fetch(server, to, size=len(CONTENT) - 1)
    assert not list(to.parent.iterdir())


def test_wrong_checksum(server: Server, to: Path) -> None:
    found = hashlib.sha256(CONTENT).hexdigest()
    with pytest.raises(DownloadError, match=f"checksum {found}, expected {'0' * 64}"):
        fetch(server, to, sha256="0" * 64)
    assert not list(to.parent.iterdir())


def test_a_page_instead_of_the_file(server: Server, to: Path) -> None:
    server.content = b"<html>please log in</html>"
    with pytest.raises(DownloadError, match="something else than a gzip file"):
        fetch(server, to)
    assert not list(to.parent.iterdir())


@pytest.mark.parametrize("status", [403, 404, 410])
def test_no_such_file(server: Server, to: Path, status: int) -> None:
    server.status = status
    with pytest.raises(
        DownloadError, match=rf"reviews\.json\.gz answered {status} .*; fetch .* data\.path=FILE$"
    ) as error:
        fetch(server, to)
    assert len(server.asked) == 1
    assert "\n" not in str(error.value)


def test_nothing_listens(to: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/a.gz"
        with pytest.raises(DownloadError, match=r"cannot be reached \(.*Connection refused\); check the network"):
            download(url, to, instead="do without")


def test_a_silent_server(to: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a.gz"
        with pytest.raises(DownloadError, match=r"cannot be reached \(timed out\)"):
            download(url, to, timeout=0.1)


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "nonsense://127.0.0.1:9"])
def test_a_proxy_that_cannot_be_used_is_one_line(to: Path, monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(DownloadError, match="ALL_PROXY") as error:
        download("http://127.0.0.1/a.gz", to)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "reviews.json.gz",
        "ftp://127.0.0.1/a.gz",
        "file:///etc/hostname",
        "http:///a.gz",
        "http://[::1/a.gz",
        "http://a:port/a.gz",
    ],
)
def test_other_addresses_are_refused(to: Path, url: str) -> None:
    with pytest.raises(DownloadError, match="not an http or https address"):
        download(url, to)
    assert not to.parent.exists()


def test_redirects_are_followed_to_the_web_only(server: Server, to: Path) -> None:
    server.status, server.location = 302, "ftp://127.0.0.1/a.gz"
    with pytest.raises(DownloadError, match=r"redirects to ftp://127\.0\.0\.1/a\.gz, which is not safe"):
        fetch(server, to)
    with Server() as target:
        thread = threading.Thread(target=target.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        server.location = target.url()
        try:
            fetch(server, to)
        finally:
            target.shutdown()
            thread.join()
    assert to.read_bytes() == CONTENT


def test_more_than_the_disk_holds_is_not_begun(server: Server, to: Path) -> None:
    server.claimed_length = 10**17
    with pytest.raises(DownloadError, match=r"needs 100,000,000,000,000,000 bytes in .* are free; make room"):
        fetch(server, to)
    assert len(server.asked) == 1


def test_disk_full_on_the_way(server: Server, to: Path) -> None:
    leave_part(server, to, b"")
    part = to.with_name(f"{to.name}.part")
    part.unlink()
    part.symlink_to("/dev/full")  # every write fails as on a full disk
    with pytest.raises(DownloadError, match=rf"cannot be stored as {to}: .*No space left.*make room"):
        fetch(server, to)


def test_a_folder_that_cannot_be_made(server: Server, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(DownloadError, match="cannot be stored as"):
        fetch(server, tmp_path / "taken" / "a.gz")


def test_two_at_once_do_not_mix(server: Server, to: Path) -> None:
    leave_part(server, to, CONTENT[:1000])
    with exclusive(to.with_name(f"{to.name}.part.lock")):
        with pytest.raises(DownloadError, match="being fetched by another process"):
            fetch(server, to)
        assert to.with_name(f"{to.name}.part").read_bytes() == CONTENT[:1000]


def test_no_redirect_from_https_to_http() -> None:
    redirects = SafeRedirects()
    for url in ("http://127.0.0.1/a.gz", "https://127.0.0.1/a.gz", "https://127.0.0.1/b.gz"):
        redirects(httpx2.Request("GET", url))
    with pytest.raises(httpx2.UnsupportedProtocol, match="redirects to http:"):
        redirects(httpx2.Request("GET", "http://127.0.0.1/a.gz"))
