"""Files from the web, whole or not at all; a broken download goes on where it stopped, now or at the next start.

`httpx2` speaks HTTP. What no library offers stands here: ranges that hold only for an unchanged file (`If-Range`), kept
between processes, and redirects that never leave https.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import httpx2
import orjson

from rec_sys.errors import DownloadError
from rec_sys.files import sha256_of, write_json
from rec_sys.locks import exclusive
from rec_sys.progress import ProgressCallback, Stage

ATTEMPTS = 5
WORTH_ANOTHER_TRY = (408, 425, 429, 500, 502, 503, 504)
BROKEN_OFF = (httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError)  # of a connection that had come about
HEADERS = {"Accept-Encoding": "identity", "User-Agent": "rec_sys"}
GZIP = b"\x1f\x8b"


def download(
    url: str,
    to: Path,
    sha256: str | None = None,
    size: int | None = None,
    progress: ProgressCallback | None = None,
    *,
    instead: str = "give it with data.path=FILE",
    timeout: float = 30.0,
    pause: float = 1.0,
) -> Path:
    """Fetch `url` into the file `to`, which is replaced only by a whole and checked file.

    What has come so far lies in `<to>.part`, with its address in `<to>.part.json`.

    Args:
        url: http or https.
        to: its folder is made if missing.
        sha256: hex digest the file must have.
        size: bytes the file must have; without it, what the server says.
        progress: told how many bytes have come.
        instead: closes every error: what to do with a file that was fetched in another way.
        timeout: seconds without an answer or a byte.
        pause: seconds before the second attempt; doubled with every further one.

    Raises:
        DownloadError: no connection, no such file, another size or checksum, no space left, or another process
            fetches the same file.
    """
    fetching = _Download(url, to, size, progress, instead)
    if not _is_web(url):
        fetching.fail("is not an http or https address")
    try:
        with exclusive(to.with_name(f"{to.name}.part.lock"), remove=True):
            fetching.run(timeout, pause)
            fetching.finish(sha256)
    except BlockingIOError:
        fetching.fail("is being fetched by another process", "wait for it, or")
    except OSError as error:
        fetching.fail(f"cannot be stored as {to}: {error.strerror or error}", "make room or choose another place, or")
    return to


class SafeRedirects:
    """Called with each address on the way to a file: lets http and https pass, and never http after https."""

    def __init__(self) -> None:
        self._allowed = {"http", "https"}

    def __call__(self, request: httpx2.Request) -> None:
        """Look at the next address.

        Raises:
            httpx2.UnsupportedProtocol: it is not safe.
        """
        if request.url.scheme not in self._allowed:
            raise httpx2.UnsupportedProtocol(f"it redirects to {request.url}, which is not safe to follow")
        if request.url.scheme == "https":
            self._allowed = {"https"}


class _BrokenError(Exception):
    """The connection ended early; another try goes on from there."""


class _Download:
    def __init__(self, url: str, to: Path, size: int | None, progress: ProgressCallback | None, instead: str) -> None:
        self.url, self.to, self.size, self.progress, self.instead = url, to, size, progress, instead
        self.part = to.with_name(f"{to.name}.part")
        self.note = to.with_name(f"{to.name}.part.json")
        self.answered = False

    def run(self, timeout: float, pause: float) -> None:
        """Fetch what is missing of the part file, in several attempts where they are needed."""
        if self._noted().get("url") != self.url:
            self._forget()
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(pause * 2 ** (attempt - 1))
            try:
                self._fetch(timeout)
                break
            except _BrokenError as error:
                broken = error
        else:
            kept = f"{self._have():,} bytes are kept"
            self.fail(f"broke off {ATTEMPTS} times ({broken}), {kept}", "run again to go on, or")

    def finish(self, sha256: str | None) -> None:
        """Check the whole file and put it in its place."""
        have = self._have()
        with self.part.open("rb") as file:
            start = file.read(len(GZIP))
        wrong = ""
        if self.size is not None and have != self.size:
            wrong = f"gave {have:,} bytes, expected {self.size:,}"
        elif self.to.suffix == ".gz" and start != GZIP:
            wrong = "gave something else than a gzip file, as a login page would be"
        elif sha256 and (digest := sha256_of(self.part)) != sha256.lower():
            wrong = f"gave a file with the SHA-256 checksum {digest}, expected {sha256.lower()}"
        if wrong:
            self._forget()
            self.fail(wrong)
        self.part.replace(self.to)
        self.note.unlink(missing_ok=True)

    def _fetch(self, timeout: float) -> None:
        """One connection: append what is still missing.

        Raises:
            _BrokenError: it ended early.
        """
        have = self._have()
        headers = dict(HEADERS)
        if have:
            headers["Range"] = f"bytes={have}-"
            if validator := self._noted().get("validator"):
                headers["If-Range"] = validator  # a file that has changed since comes whole
        try:
            with self._client(timeout) as client, client.stream("GET", self.url, headers=headers) as response:
                self.answered = True
                if response.status_code in (200, 206):
                    self._receive(response, have)
                else:
                    self._refused(response, have)
        except httpx2.RequestError as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            unsafe = isinstance(error, httpx2.UnsupportedProtocol)
            if not unsafe and (self.answered or isinstance(error, BROKEN_OFF)):
                raise _BrokenError(reason) from error
            self.fail(f"cannot be reached ({reason})", "check the network, or")

    def _client(self, timeout: float) -> httpx2.Client:
        hooks: dict[str, list[Callable[..., Any]]] = {"request": [SafeRedirects()]}
        try:
            return httpx2.Client(timeout=timeout, follow_redirects=True, event_hooks=hooks)
        except (ImportError, ValueError) as error:  # a proxy that the environment names, which cannot be used
            self.fail(f"cannot be reached ({error})", "mend the proxy that the environment names (ALL_PROXY, ...), or")

    def _receive(self, response: httpx2.Response, have: int) -> None:
        """Write the bytes of an answer behind those that are here."""
        start, total = self._span(response, have)
        missing, free = (total or 0) - start, shutil.disk_usage(self.to.parent).free
        if missing > free:
            self.fail(
                f"needs {missing:,} bytes in {self.to.parent}, {free:,} are free",
                "make room or choose another place, or",
            )
        validator = response.headers.get("ETag", "")
        if not validator or validator.startswith("W/"):  # a weak one promises no equal bytes
            validator = response.headers.get("Last-Modified", "")
        write_json(self.note, {"url": self.url, "validator": validator})
        stage = Stage(f"download {self.to.name}", total, "bytes", self.progress, done=start)
        with self.part.open("r+b" if start else "wb") as file:
            file.seek(start)
            for piece in response.iter_raw():
                file.write(piece)
                stage.advance(len(piece))
        if total is not None and (have := self._have()) < total:
            raise _BrokenError(f"the connection closed at {have:,} of {total:,} bytes")

    def _span(self, response: httpx2.Response, have: int) -> tuple[int, int | None]:
        """Where the bytes of an answer belong, and how many the whole file has; None where nobody knows."""
        if response.status_code == 200:  # also from a server that does not know ranges
            length = response.headers.get("Content-Length", "")
            start, total = 0, int(length) if length.isdigit() else self.size
        else:
            span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
            if not span or int(span[1]) != have:
                self._forget()
                raise _BrokenError("it gave other bytes than those that were asked for")
            start, total = have, int(span[2]) if span[2] != "*" else self.size
        if self.size is not None and total != self.size:
            self._forget()
            self.fail(f"has {total:,} bytes, expected {self.size:,}")
        return start, total

    def _refused(self, response: httpx2.Response, have: int) -> None:
        words = f"{response.status_code} {response.reason_phrase}"
        if response.status_code == 416 and have:
            # Nothing lies beyond what is here: it is whole, or the file on the server has become shorter.
            if response.headers.get("Content-Range") == f"bytes */{have}":
                return
            self._forget()
            raise _BrokenError("the file on the server is another one now")
        if response.status_code in WORTH_ANOTHER_TRY:
            raise _BrokenError(words)
        self.fail(f"answered {words}")

    def _have(self) -> int:
        """Bytes that lie here already."""
        return self.part.stat().st_size if self.part.exists() else 0

    def _noted(self) -> dict[str, str]:
        """Address and validator of the part file; empty where it has none."""
        try:
            noted = orjson.loads(self.note.read_bytes())
        except (FileNotFoundError, orjson.JSONDecodeError):
            return {}
        return noted if isinstance(noted, dict) else {}

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def fail(self, what: str, advice: str = "") -> NoReturn:
        """Raise the error, in one line."""
        advice = f"{advice} " if advice else ""
        raise DownloadError(f"{self.url} {what}; {advice}fetch the file in another way and {self.instead}") from None


def _is_web(url: str) -> bool:
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL:
        return False
    return parsed.scheme in ("http", "https") and bool(parsed.host)
