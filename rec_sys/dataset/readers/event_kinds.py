"""Kinds of events: their names in logs of shops, and how much each says of a user's interest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rec_sys.dataset.readers.column_aliases import plain

VIEW, CART, PURCHASE = "view", "addtocart", "transaction"
WEIGHTS: dict[str, float] = {VIEW: 1.0, CART: 3.0, PURCHASE: 5.0}

NAMED = 0.9  # share of the values of a column of kinds that name known ones

# What shops call them, compared without case, accents and punctuation. A wish list or a rating is none of the three.
KINDS: dict[str, tuple[str, ...]] = {
    VIEW: (
        *("view", "views", "viewed", "pageview", "product_view", "view_item", "item_view", "detail", "detail_view"),
        *("product_detail", "click", "clicks", "clicked", "click_item", "clk", "pv", "visit", "browse", "open", "see"),
        *("product_viewed", "view_product", "view_content", "ansicht", "vue", "vista", "浏览", "点击"),
    ),
    CART: (
        *("addtocart", "add_to_cart", "cart", "carts", "carted", "cart_add", "add_cart", "added_to_cart", "basket"),
        *("add_to_basket", "addtobasket", "basket_add", "add_to_bag", "addtobag", "bag", "product_added", "warenkorb"),
        *("panier", "carrito", "carrello", "加购", "加入购物车"),
    ),
    PURCHASE: (
        *("transaction", "transactions", "purchase", "purchases", "purchased", "buy", "buys", "bought", "order"),
        *("orders", "ordered", "order_completed", "checkout_complete", "completed_order", "sale", "sold", "payment"),
        *("paid", "kauf", "bestellung", "gekauft", "achat", "compra", "acquisto", "购买", "下单"),
    ),
}
_KIND_OF = {plain(name): kind for kind, names in KINDS.items() for name in names}


class KindNames:
    """Which kind each name of a file is of.

    Args:
        weights: of the setting `data.event_weights`; None: those of the three usual kinds.
    """

    def __init__(self, weights: Mapping[str, float] | None) -> None:
        self.weights = dict(WEIGHTS)
        self._own: dict[str, str] = {}
        for name, weight in (weights or {}).items():
            kind = _KIND_OF.get(plain(name), name)
            self.weights[kind] = weight
            self._own[plain(name)] = kind

    def kind_of(self, name: str) -> str | None:
        """The kind that a name stands for; None where nobody knows it."""
        short = plain(name)
        return self._own.get(short) or _KIND_OF.get(short)

    def is_left_out(self, kind: str) -> bool:
        """Whether the settings leave events of a kind out."""
        return self.weights.get(kind, 0) == 0


def kinds_of_events(values: Iterable[object], kinds: KindNames) -> set[str]:
    """The kinds that nearly all values of a column name; empty where it is no column of kinds."""
    texts = [str(value) for value in values if value not in (None, "")]
    known = [kind for text in texts if (kind := kinds.kind_of(text)) is not None]
    return set(known) if texts and len(known) >= NAMED * len(texts) else set()
