"""The usual names of columns in files of no known format, whatever their case and punctuation."""

from __future__ import annotations

import re
from collections.abc import Collection

# By field, in the order in which they are tried; `visitorid` also stands for visitorId, visitor_id and "Visitor ID".
ALIASES = {
    "user": (
        *("userid", "user", "uid", "customerid", "customer", "visitorid", "visitor", "reviewerid", "reviewer"),
        *("memberid", "member", "profileid", "personid", "person", "clientid", "client", "buyerid", "buyer"),
        *("accountid", "account", "authorid", "author", "username", "nickname", "sessionid", "session"),
    ),
    "product": (
        *("itemid", "item", "productid", "product", "parentasin", "asin", "sku", "stockcode", "iid", "articleid"),
        *("movieid", "bookid", "isbn", "businessid", "trackid", "songid", "gameid", "contentid", "goodsid"),
    ),
    "rating": ("rating", "overall", "score", "stars", "star", "starrating"),
    "timestamp": (
        *("timestamp", "datetime", "unixtime", "unixreviewtime", "eventtime", "ts", "reviewtime", "reviewdate"),
        *("date", "createdat", "created", "invoicedate", "orderdate", "purchasedate", "day", "time"),
    ),
    "order": ("order", "position", "pos", "place", "sequence", "seq", "step"),
    "text": ("reviewtext", "textreview", "text", "review", "comment", "reviewbody", "body"),
    "title": ("summary", "headline", "reviewheadline", "reviewtitle", "title"),
    "product_name": ("productname", "itemname", "producttitle", "itemtitle"),
}


def find_columns(header: Collection[str]) -> dict[str, str]:
    """The column of each field that has one.

    A `title` beside no text of a review is the product's as likely as the review's, so it is left alone.
    """
    by_plain_name: dict[str, str] = {}
    for name in header:
        by_plain_name.setdefault(plain(name), name)
    found = {
        field: next(by_plain_name[alias] for alias in aliases if alias in by_plain_name)
        for field, aliases in ALIASES.items()
        if not by_plain_name.keys().isdisjoint(aliases)
    }
    if "text" not in found and plain(found.get("title", "")) == "title":
        del found["title"]
    return found


def plain(name: str) -> str:
    """Letters and digits only, in lower case."""
    return re.sub(r"[\W_]+", "", name).lower()
