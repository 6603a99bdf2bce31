"""Files from the web, whole or not at all; a broken download goes on where it stopped, now or at the next start."""

from __future__ import annotations

import http.client
import io
import os
import re
import shutil
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import orjson
from tqdm import tqdm

from rec_sys.errors import DownloadError
from rec_sys.files import sha256_of, write_json

if sys.platform != "win32":
    import fcntl

ATTEMPTS = 5
PIECE = 1 << 18  # bytes
WORTH_ANOTHER_TRY = (408, 425, 429, 500, 502, 503, 504)
GZIP = b"\x1f\x8b"


def download(
    url: str,
    to: Path,
    sha256: str | None = None,
    size: int | None = None,
    progress: bool = True,
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
        progress: show a bar on a terminal.
        instead: closes every error: what to do with a file that was fetched in another way.
        timeout: seconds without an answer or a byte.
        pause: seconds before the second attempt; doubled with every further one.

    Raises:
        DownloadError: no connection, no such file, another size or checksum, no space left.
    """
    return _Download(url, to, size, progress, instead, timeout, pause).run(sha256)


class _BrokenError(Exception):
    """The connection ended early; another try goes on from there."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to http and https only, and never from https to http."""

    def redirect_request(self, req: urllib.request.Request, *args: Any) -> urllib.request.Request | None:
        new_url = str(args[-1])
        scheme = urlsplit(new_url).scheme
        if scheme != "https" and (scheme != "http" or req.type == "https"):
            raise urllib.error.URLError(f"it redirects to {new_url}, which is not safe to follow")
        return super().redirect_request(req, *args)


class _Download:
    def __init__(
        self, url: str, to: Path, size: int | None, progress: bool, instead: str, timeout: float, pause: float
    ) -> None:
        self.url, self.to, self.size, self.progress = url, to, size, progress
        self.instead, self.timeout, self.pause = instead, timeout, pause
        self.part = to.with_name(f"{to.name}.part")
        self.note = to.with_name(f"{to.name}.part.json")
        self.opener = urllib.request.build_opener(_Redirects)
        self.answered = False

    def run(self, sha256: str | None) -> Path:
        if not _is_web(self.url):
            self._fail("is not an http or https address")
        try:
            self.to.parent.mkdir(parents=True, exist_ok=True)
            if self._noted().get("url") != self.url:
                self._forget()
            for attempt in range(ATTEMPTS):
                if attempt:
                    time.sleep(self.pause * 2 ** (attempt - 1))
                try:
                    self._fetch()
                    break
                except _BrokenError as error:
                    broken = error
            else:
                self._fail(
                    f"broke off {ATTEMPTS} times ({broken}), {self._have():,} bytes are kept", "run again to go on, or"
                )
            self._check(sha256)
            os.replace(self.part, self.to)
            self.note.unlink(missing_ok=True)
        except OSError as error:
            self._fail(
                f"cannot be stored as {self.to}: {error.strerror or error}", "make room or choose another place, or"
            )
        return self.to

    def _fetch(self) -> None:
        """One connection: append what is still missing.

        Raises:
            _BrokenError: it ended early.
        """
        have = self._have()
        request = urllib.request.Request(self.url, headers={"Accept-Encoding": "identity", "User-Agent": "rec_sys"})  # noqa: S310  run() lets http and https pass only
        if have:
            request.add_header("Range", f"bytes={have}-")
            if validator := self._noted().get("validator"):
                request.add_header("If-Range", validator)  # a file that has changed since comes whole
        try:
            response = self.opener.open(request, timeout=self.timeout)
        except urllib.error.HTTPError as error:
            with error:
                self._refused(error, have)
            return
        except urllib.error.URLError as error:
            self._unreachable(error.reason)
        except (http.client.HTTPException, OSError) as error:
            self._unreachable(error)
        self.answered = True
        with response:
            self._receive(response, have)

    def _receive(self, response: http.client.HTTPResponse, have: int) -> None:
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if response.status == 206 and span and int(span[1]) == have:
            total = int(span[2]) if span[2] != "*" else None
        elif response.status == 200:  # also from a server that does not know ranges
            have = 0
            length = response.headers.get("Content-Length", "")
            total = int(length) if length.isdigit() else None
        else:
            self._forget()
            raise _BrokenError(f"status {response.status} without the bytes that were asked for")
        if self.size is not None and total is not None and total != self.size:
            self._forget()
            self._fail(f"has {total:,} bytes, expected {self.size:,}")
        total = total if total is not None else self.size
        free = shutil.disk_usage(self.to.parent).free
        if total is not None and total - have > free:
            self._fail(
                f"needs {total - have:,} bytes in {self.to.parent}, {free:,} are free",
                "make room or choose another place, or",
            )
        validator = response.headers.get("ETag", "")
        if not validator or validator.startswith("W/"):  # a weak one promises no equal bytes
            validator = response.headers.get("Last-Modified", "")
        write_json(self.note, {"url": self.url, "validator": validator})
        with (
            self.part.open("ab", buffering=0) as file,
            tqdm(
                total=total,
                initial=have,
                unit="B",
                unit_scale=True,
                desc=self.to.name,
                disable=None if self.progress else True,
            ) as bar,
        ):
            self._take(file, have)
            while piece := self._read(response):
                rest = memoryview(piece)
                while rest:
                    rest = rest[file.write(rest) :]
                bar.update(len(piece))
                have += len(piece)
        if total is not None and have < total:
            raise _BrokenError(f"connection closed at {have:,} of {total:,} bytes")

    def _take(self, file: io.FileIO, have: int) -> None:
        """Make the part file ours alone, and `have` bytes long."""
        if sys.platform != "win32":
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._fail("is being fetched by another process", "wait for it, or")
        length = os.fstat(file.fileno()).st_size
        if length < have:
            raise _BrokenError("the part that was here is gone")
        if length > have:
            file.truncate(have)

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        try:
            return response.read(PIECE)
        except (http.client.HTTPException, OSError) as error:
            raise _BrokenError(_words(error)) from error

    def _refused(self, error: urllib.error.HTTPError, have: int) -> None:
        self.answered = True
        if error.code == 416 and have:
            # Nothing lies beyond what is here: it is whole, or the file on the server has become shorter.
            if error.headers.get("Content-Range") == f"bytes */{have}":
                return
            self._forget()
            raise _BrokenError("the file on the server is another one now")
        if error.code in WORTH_ANOTHER_TRY:
            raise _BrokenError(f"{error.code} {error.reason}")
        self._fail(f"answered {error.code} {error.reason}")

    def _unreachable(self, reason: object) -> NoReturn:
        certificate = isinstance(reason, ssl.SSLCertVerificationError)
        passing = isinstance(reason, (http.client.HTTPException, OSError)) and not certificate
        if passing and (self.answered or isinstance(reason, ConnectionResetError)):
            raise _BrokenError(_words(reason))
        self._fail(f"cannot be reached ({_words(reason)})", "check the network, or")

    def _check(self, sha256: str | None) -> None:
        have = self._have()
        with self.part.open("rb") as file:
            start = file.read(len(GZIP))
        if self.size is not None and have != self.size:
            self._forget()
            self._fail(f"gave {have:,} bytes, expected {self.size:,}")
        if self.to.suffix == ".gz" and start != GZIP:
            self._forget()
            self._fail("gave something else than a gzip file, as a login page would be")
        if sha256 and (found := sha256_of(self.part)) != sha256.lower():
            self._forget()
            self._fail(f"gave a file with the SHA-256 checksum {found}, expected {sha256.lower()}")

    def _have(self) -> int:
        """Bytes that lie here already."""
        return self.part.stat().st_size if self.part.exists() else 0

    def _noted(self) -> dict[str, str]:
        """What is known about the part file; empty where nothing is."""
        try:
            noted = orjson.loads(self.note.read_bytes())
        except (FileNotFoundError, orjson.JSONDecodeError):
            return {}
        return noted if isinstance(noted, dict) else {}

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def _fail(self, what: str, advice: str = "") -> NoReturn:
        advice = f"{advice} " if advice else ""
        raise DownloadError(f"{self.url} {what}; {advice}fetch the file in another way and {self.instead}") from None


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _words(reason: object) -> str:
    """A foreign error in one line."""
    text = (reason.strerror if isinstance(reason, OSError) else None) or str(reason)
    return " ".join(text.split()) or type(reason).__name__
