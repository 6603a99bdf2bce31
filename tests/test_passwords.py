"""Addresses of databases lose their password where they enter, and messages never show it."""

from __future__ import annotations

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from rec_sys.command import with_kept_spelling
from rec_sys.passwords import PASSWORD_VARIABLE, hidden, password_of, split_address, without_password


@pytest.mark.parametrize(
    ("address", "plain", "password"),
    [
        ("postgresql://ann:s3cr3t@host/shop", "postgresql://ann@host/shop", "s3cr3t"),
        ("postgresql://ann:s3@cr/3t@host:5432/shop?x=a@b", "postgresql://ann@host:5432/shop?x=a@b", "s3@cr/3t"),
        ("postgresql://host/shop?user=ann&password=s3cr3t", "postgresql://host/shop?user=ann", "s3cr3t"),
        ("postgresql://host/shop?password=s3cr3t&user=ann", "postgresql://host/shop?user=ann", "s3cr3t"),
        ("postgresql://host/shop?password=s3cr3t", "postgresql://host/shop", "s3cr3t"),
        ("postgresql://ann@host:5432/shop?x=a@b", "postgresql://ann@host:5432/shop?x=a@b", None),
        ("postgresql://host:5432/shop?x=a@b", "postgresql://host:5432/shop?x=a@b", None),
        ("sqlite:///shop.db", "sqlite:///shop.db", None),
    ],
)
def test_an_address_and_its_password(address: str, plain: str, password: str | None) -> None:
    assert split_address(address) == (plain, password)
    assert "s3" not in plain


def test_a_password_is_known_by_its_address_else_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert password_of(without_password("postgresql://ann:s3cr3t@one/shop")) == "s3cr3t"
    assert password_of("postgresql://ann@two/shop") is None
    monkeypatch.setenv(PASSWORD_VARIABLE, "other")
    assert password_of("postgresql://ann@two/shop") == "other"


def test_messages_hide_it() -> None:
    assert hidden("no s3cr3t for postgresql://a:b@c/d", "s3cr3t") == "no *** for postgresql://a:***@c/d"


@pytest.mark.parametrize(
    "query",
    [
        "select a, b from t where c = 'x' and d in (1, 2)",
        'select "a b", \'c"d\' from t',
        r"select regexp_replace(a, '\\d+\(', '') from t -- {x: [1]}",
        "select a from t where b like '100%' and c::date > '2020-01-01 10:30'",
        "select 'ends with a backslash\\",
    ],
)
def test_a_typed_query_reaches_the_settings_as_it_is(query: str) -> None:
    (override,) = OverridesParser.create().parse_overrides([with_kept_spelling(f"data.sql.query={query}")])
    assert override.value() == query


def test_a_typed_address_loses_its_password_before_hydra_sees_it() -> None:
    word = with_kept_spelling("data.sql.url=postgresql://ann:s3cr3t@host/shop")
    assert word == 'data.sql.url="postgresql://ann@host/shop"'
    assert with_kept_spelling("data.sql.url=null") == "data.sql.url=null"
