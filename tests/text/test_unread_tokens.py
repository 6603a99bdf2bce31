from pathlib import Path

import pytest

from rec_sys.text.encoder import Encoder
from rec_sys.text.settings import EncoderSettings
from rec_sys.text.unread_tokens import MUCH, unread_share


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return Encoder(EncoderSettings(), Path(tmp_path_factory.mktemp("cache")))


@pytest.mark.parametrize(
    ("text", "is_read"),
    [
        ("Great strings, bright sound and long lasting, would buy again!", True),
        ("Sehr schöne Gitarre, klingt großartig und die Lieferung war schnell", True),
        ("Отличная гитара, звук яркий и чистый, доставка быстрая", False),
        ("这把吉他非常好，声音明亮，物流很快，推荐购买", False),
        ("기타가 정말 좋아요 소리가 밝고 배송이 빨라요", False),
        ("جيتار رائع والصوت واضح والتوصيل سريع", False),
    ],
)
def test_languages(encoder: Encoder, text: str, is_read: bool) -> None:
    assert (unread_share(encoder.files.tokenizer, [text] * 3) <= MUCH) == is_read


def test_no_texts_are_no_fault(encoder: Encoder) -> None:
    assert unread_share(encoder.files.tokenizer, []) == 0
    assert unread_share(encoder.files.tokenizer, [""]) == 0
