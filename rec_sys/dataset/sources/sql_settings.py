"""Settings of a data set from a database. Light: commands import it for --help."""

from __future__ import annotations

from pydantic import Field, field_validator

from rec_sys.passwords import without_password
from rec_sys.settings import Settings


class SqlSettings(Settings):
    """Which rows of which database."""

    url: str | None = Field(
        None,
        description="address of a database, such as postgresql://ann@host/shop; its password is not kept, and is read "
        "from REC_SYS_SQL_PASSWORD where the address has none",
    )
    query: str | None = Field(
        None, description="select with a column for the user, the product and what else there is; only read"
    )

    @field_validator("url")
    @classmethod
    def _plain(cls, given: str | None) -> str | None:
        return None if given is None else without_password(given)
