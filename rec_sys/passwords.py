"""Passwords of databases stay out of settings: what is shown, logged or kept with a model never holds one.

An address such as `postgresql://ann:secret@host/shop` loses its password where it enters the program, a command line, a
configuration or a call. The password stays in memory, for this process alone; another process takes it from the
environment variable REC_SYS_SQL_PASSWORD.
"""

from __future__ import annotations

import os
import re

PASSWORD_VARIABLE = "REC_SYS_SQL_PASSWORD"  # noqa: S105  the name of a variable
HIDDEN = "***"

_IN_ADDRESS = re.compile(r"(://[^:/@?#]*):([^?]*)@")
_IN_QUERY = re.compile(r"([?&](?:\w*pass\w*|pwd|secret|token)=)([^&#]*)", re.IGNORECASE)
_known: dict[str, str] = {}  # by address without it; in memory alone


def split_address(address: str) -> tuple[str, str | None]:
    """An address without its password, and the password; None where it has none."""
    if found := _IN_ADDRESS.search(address):
        return _IN_ADDRESS.sub(r"\1@", address, count=1), found[2]
    if found := _IN_QUERY.search(address):
        return re.sub(r"[?&]$", "", address.replace(found[0], found[0][0], 1).replace("?&", "?")), found[2]
    return address, None


def without_password(address: str) -> str:
    """The address as it may be shown; the password it had is remembered for `password_of`."""
    plain, password = split_address(address)
    if password is not None:
        _known[plain] = password
    return plain


def password_of(address: str) -> str | None:
    """The password that an address had, else that of the environment; None where there is neither."""
    return _known.get(address) or os.environ.get(PASSWORD_VARIABLE)


def hidden(text: str, password: str | None) -> str:
    """A message of a database without the password."""
    text = _IN_ADDRESS.sub(rf"\1:{HIDDEN}@", text)
    return text.replace(password, HIDDEN) if password else text
