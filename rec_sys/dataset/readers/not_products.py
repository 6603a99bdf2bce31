"""Lines of invoices that are no products: postage, fees, discounts, samples, told by their codes and names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

import polars as pl

WITH_DIGITS = 0.9  # share of the codes with a digit from which one without any is no product's

# What names a service and no goods, as patterns, in the languages of `column_aliases`.
_SERVICES = """
    postage|carriage|shipping|freight|delivery charges?|postal charges?|handling fee|packing charges?
    versand|versandkosten|porto|fracht|lieferkosten|frais de port|frais d'envoi|livraison|gastos de envio|envio
    spedizione|frete|доставка|运费|送料
    bank charges?|fees?|commission|gebühr|gebuehr|provision|frais bancaires|comision|commissione
    discount|rabatt|skonto|remise|descuento|sconto|desconto
    manual|adjust|adjustment|adjust bad debt|bad debt|korrektur|ajuste
    samples?|muster|échantillon|muestra|campione
    gift vouchers?|vouchers?|gift cards?|gutschein|bon d'achat|vale regalo|buono regalo
"""
SERVICES = tuple(word.strip() for line in _SERVICES.strip().splitlines() for word in line.split("|"))
# A name that holds more words beside the service's is goods ("POSTAGE STAMP ALBUM"), but for what a shop puts beside.
_BESIDE_WORDS = "dotcom|dotcomgiftshop|cruk|amazon|ebay|paypal|uk|eu|dhl|ups|dpd|next|day|express|standard|of|for"
_BESIDE = rf"(?:[\W\d_]|\b(?:{_BESIDE_WORDS})\b)*"
_NAME = re.compile(
    rf"{_BESIDE}(?:{'|'.join(sorted(SERVICES, key=len, reverse=True))}){_BESIDE}", re.IGNORECASE
)  # the longer before the shorter, which may be its start


def codes_of_no_product(codes: pl.DataFrame, given: Sequence[str] | None) -> list[str]:
    """The codes that are no products.

    Args:
        codes: columns "product", "name" (the most frequent one, or null) and "rows", one row per code.
        given: codes or names, `*` for anything, compared without case; they are the only ones. None: told by a rule: a
            name that is that of a service, or a code without a digit where nine of ten codes have one.
    """
    rows = list(codes.select("product", "name").iter_rows())
    if given is not None:
        patterns = [pattern.casefold() for pattern in given]

        def matches(text: str | None) -> bool:
            return text is not None and any(fnmatchcase(text.strip().casefold(), pattern) for pattern in patterns)

        return [code for code, name in rows if matches(code) or matches(name)]
    digits = [any(letter.isdigit() for letter in code) for code, _ in rows]
    with_digits = sum(digits) >= WITH_DIGITS * len(rows)
    return [
        code
        for (code, name), has_digit in zip(rows, digits, strict=True)
        if is_service(name) or is_service(code) or (with_digits and not has_digit)
    ]


def is_service(name: str | None) -> bool:
    """Whether a name is that of a service, such as "DOTCOM POSTAGE" or "Bank Charges"."""
    return name is not None and bool(_NAME.fullmatch(name.strip()))
