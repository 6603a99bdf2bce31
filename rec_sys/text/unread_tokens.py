"""How much of some texts an encoder cannot read: tokens that are unknown, and words that fall into single letters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

LOOKED_AT = 1_000  # texts
START = 500  # characters of each
MUCH = 0.2  # share of the tokens from which it is said; English has less than .02, German about .1


def unread_share(tokenizer: Tokenizer, texts: Sequence[str]) -> float:
    """The share of the tokens of some texts that tell an encoder next to nothing.

    A tokenizer of word pieces has no pieces for the words of a language it was not made for: it knows Chinese letters
    as "unknown", and takes Russian words letter by letter.
    """
    unread = tokens = 0
    unknown = tokenizer.token_to_id("[UNK]")
    for encoding in tokenizer.encode_batch([text[:START] for text in texts], add_special_tokens=False):
        size = dict.fromkeys(encoding.word_ids, 0)
        for word in encoding.word_ids:
            size[word] += 1
        tokens += len(encoding.ids)
        for number, word, (start, end) in zip(encoding.ids, encoding.word_ids, encoding.offsets, strict=True):
            unread += number == unknown or (size[word] > 2 and end - start == 1)
    return unread / tokens if tokens else 0.0
