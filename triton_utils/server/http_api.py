"""Triton's own HTTP interface, as far as deployments and the start of a server need it."""

from __future__ import annotations

import http.client
from typing import Any

import orjson

from rec_sys.errors import ServeError


def call(address: str, method: str, path: str, body: dict[str, Any] | None = None, timeout: float = 5.0) -> Any:
    """One call of Triton's HTTP interface; its JSON answer, None where it is empty.

    Args:
        address: host:port.
        method: GET or POST.
        path: with its leading slash.
        body: sent as JSON.
        timeout: seconds.

    Raises:
        OSError: no server answers.
        ServeError: the server refuses; the message is the server's.
    """
    connection = http.client.HTTPConnection(address, timeout=timeout)
    try:
        connection.request(method, path, orjson.dumps(body or {}) if method == "POST" else None)
        response = connection.getresponse()
        content = response.read()
    except http.client.HTTPException as error:  # ended in the middle of an answer
        raise ConnectionError(str(error) or type(error).__name__) from error
    finally:
        connection.close()
    if response.status != http.client.OK:
        try:
            message = str(orjson.loads(content)["error"])
        except (orjson.JSONDecodeError, KeyError, TypeError):
            message = f"{response.status} {content[:300].decode(errors='replace')}"
        raise ServeError(message)
    return orjson.loads(content) if content else None


def is_ready(address: str, model: str, version: int | None = None, timeout: float = 5.0) -> bool:
    """Whether a model, in one version or any, answers; `timeout`: seconds that the server may take to say so."""
    try:
        call(address, "GET", f"/v2/models/{model}{f'/versions/{version}' if version else ''}/ready", timeout=timeout)
    except (OSError, ServeError):
        return False
    return True


def is_gone(address: str, model: str, version: int) -> bool:
    """Whether no call is left in a version of a model that was let go of: Triton unloads it after the last one.

    Raises:
        OSError: no server answers.
        ServeError: the server refuses.
    """
    index = call(address, "POST", "/v2/repository/index")
    states = [entry.get("state") for entry in index if (entry["name"], entry.get("version")) == (model, str(version))]
    return not {"READY", "LOADING", "UNLOADING"} & set(states)


def failures(address: str) -> dict[str, str]:
    """Why models could not be loaded, by name; empty where the server does not answer yet."""
    try:
        index = call(address, "POST", "/v2/repository/index")
    except (OSError, ServeError):
        return {}
    return {
        entry["name"]: entry["reason"]
        for entry in index
        if entry.get("state") == "UNAVAILABLE" and entry.get("reason", "unloaded") not in ("", "unloaded")
    }
