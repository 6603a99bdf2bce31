"""The one table of column names, for training files, requests, metadata and added products alike.

Names are compared without case, accents and punctuation, so `visitorid` also stands for visitorId, visitor_id and
"Visitor ID"; a field inside another one is written with a dot, so `product.sku` is `productsku`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from functools import lru_cache

Columns = tuple[str, ...]


def _words(names: str) -> Columns:
    return tuple(names.split())


# By field, in the order in which they are tried: what names one person before what many people may share.
ALIASES: dict[str, Columns] = {
    "user": _words(
        """
        user_id user uid customer_id customer visitor_id visitor reviewer_id member_id member profile_id person_id
        person client_id client buyer_id buyer account_id account author_id consumer_id shopper_id id_customer id_user
        steamid author.steamid household_key kunde_id kunden_id kundennummer kundennr kunde nutzer_id nutzer benutzer
        cliente_id cliente utilisateur acheteur usuario utente 用户id 用户 会员id 客户id 客户 ユーザーid ユーザー
        пользователь клиент покупатель
        reviewer_email customer_email author_email user_email buyer_email comment_author_email reviewer_email_address
        customer_email_address user_email_address email_address email mail
        reviewer author username user_nickname nickname reviews.username review_profilename profile_name screen_name
        login display_name reviewer_name customer_name author_name author_title buyer_name reviewer_display_name
        user_display_name consumer_display_name customer_display_name comment_author verfasser autor auteur
        用户名 昵称 имя автор
        session_id session
        """
    ),
    "product": _words(
        """
        item_id item product_id product parent_asin asin sku product_sku item_sku product_asin stock_code iid article_id
        movie_id book_id isbn business_id track_id song_id game_id content_id goods_id video_id artist_id app_id
        place_id location_id hotel_id recipe_id beer_beerid beer_id clothing_id id_product entity_pk_value
        comment_post_id product_external_id external_product_id shopify_product_id product_page_id
        details.product_page_id page_id product_handle goods artikelnummer artikelnr artikel_id artikel produkt_id
        produktnummer produkt ware produit_id produit article producto_id producto articulo prodotto articolo produto
        商品id 商品编号 商品 产品id 产品 アイテム товар asins movie book artist track song game video handle
        """
    ),
    "rating": _words(
        """
        rating overall score stars star star_rating review_rating review_score review_stars rating_value
        review_rating_value rating_score overall_rating product_rating user_rating book_rating review_overall
        reviews.rating metrics.rating grade sterne sternebewertung bewertung note etoiles puntuacion calificacion
        valoracion estrellas voto valutazione stelle nota avaliacao estrelas 评分 星级 評価 оценка рейтинг
        voted_up recommended is_recommended
        """
    ),
    "timestamp": _words(
        """
        timestamp datetime unix_time unixReviewTime event_time ts timestamp_created timestamp_ms time_ms unix_timestamp
        review_time review_datetime review_datetime_utc review_date date created_at created date_created_gmt
        date_created created_date created_time create_time created_on creation_date review_created review_created_at
        date_added date_add submission_time submission_date submitted_at submitted published_at published_date
        publication_date posted_at posted_date date_posted comment_date_gmt comment_date reviews.date
        details.created_date invoice_date order_date purchase_date t_dat datum bewertungsdatum erstellt_am zeitpunkt
        fecha 日期 时间 评论时间 日付 дата day time at data
        """
    ),
    "order": _words("order position pos place sequence seq step"),
    "text": _words(
        """
        review_text text_review review_body review_content review_comment review_message reviews.text text review body
        comment comments content comment_content comment_text comment_body details.comments message feedback opinion
        detail bewertungstext rezension kommentar commentaire avis comentario resena commento recensione
        评论内容 评论 评价 レビュー コメント отзыв комментарий текст
        """
    ),
    "title": _words(
        """
        summary headline review_headline review_title review_summary reviews.title details.headline title subject titel
        betreff titre titulo titolo 标题 タイトル заголовок
        """
    ),
    "product_name": _words(
        """
        product_name item_name product_title item_title goods_name product_label movie_title book_title business_name
        artikelname produktname nom_produit 商品名称 商品名 产品名称
        """
    ),
    "product_info": _words("product_info product_description item_description product_details"),
}

# The same for files about products, where `id`, `name`, `title` and `description` mean the product's, not the review's.
PRODUCT_ALIASES: dict[str, Columns] = {
    "id": ("parent_asin", "asin", "product_id", "item_id", "id", *ALIASES["product"]),
    "name": ("title", "name", *ALIASES["product_name"], *_words("label titel bezeichnung nombre nom 名称")),
    "categories": _words("categories category main_category product_type kategorie categoria categorie"),
    "brand": _words("brand store manufacturer vendor marke hersteller marca marque"),
    "description": (
        *_words("description features feature text body_html body short_description long_description beschreibung"),
        *_words("descripcion descrizione 描述"),
        *ALIASES["product_info"],
    ),
}

# The same for events and orders, beside the user, product and time of above; a `description` is the product's.
EVENT_ALIASES: dict[str, Columns] = {
    "user": ALIASES["user"],
    "product": ALIASES["product"],
    "timestamp": (
        *ALIASES["timestamp"],
        *_words("order_timestamp order_time order_purchase_timestamp sale_date bon_datum"),
    ),
    "kind": _words(
        """
        event event_type event_name kind behavior behavior_type behaviour behaviour_type action action_type action_name
        interaction interaction_type feedback_type activity activity_type ereignis aktion type 行为类型 行为
        """
    ),
    "basket": _words(
        """
        invoice_no invoice invoice_id invoice_number order_id order_no order_number order transaction_id transaction
        basket_id basket receipt_id receipt_no receipt bill_no bon_id bon bestellnummer bestellung_id auftragsnummer
        rechnungsnummer belegnummer beleg commande_id numero_commande pedido_id ordine_id 订单号 订单id заказ
        """
    ),
    "quantity": _words(
        """
        quantity qty units pieces order_quantity item_quantity count amount menge anzahl stueck quantite cantidad
        quantita quantidade 数量 количество
        """
    ),
    "price": _words(
        """
        unit_price price_per_unit price item_price stueckpreis einzelpreis preis prix_unitaire prix precio preco prezzo
        单价 价格 цена
        """
    ),
    "product_name": (*ALIASES["product_name"], *_words("description item_description product_description name title")),
}

# Columns of known exports that say nothing a recommender reads.
UNUSED = _words(
    """
    id review_id verified verified_purchase verified_buyer verified_owner is_verified helpful helpful_vote helpful_votes
    total_votes vote votes votes_up votes_down upvotes downvotes style image images image_urls picture pictures
    picture_urls photos videos status state type review_type order_id order_no order_number invoice_no language lang
    locale country location ip reply replies replied_at links link url review_url permalink curated source vine
    marketplace published approved featured pinned incentivized avatar reviewer_avatar_urls avatar_urls
    product_permalink product_url product_image_url updated_at date_modified date_modified_gmt deleted archived quantity
    unit_price price
    """
)

_PERSON = re.compile(
    "user|customer|client|member|author|reviewer|buyer|person|profile|account|visitor|consumer|shopper|guest|subscriber"
    "|patron|household|kunde|kdnr|nutzer|mail|phone|login|cookie|device|session|nick|acheteur|usuario|utente"
)
_ID = re.compile("(?:id|key|nr|no|number|code|uuid|guid|hash|token|ref)$")
_ACCENTS = re.compile("(?<=[a-zA-Z])[\u0300-\u036f]+")  # on Latin letters; elsewhere they make other letters


@lru_cache(maxsize=16_384)
def plain(name: str) -> str:
    """Letters and digits only, in lower case and without accents."""
    if not name.isascii():
        name = unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFKD", name)))
    return re.sub(r"[\W_]+", "", name).lower()


_UNUSED = frozenset(map(plain, UNUSED))
_KNOWN = _UNUSED | {plain(name) for names in ALIASES.values() for name in names}


def all_columns(
    header: Collection[str], given: Mapping[str, str] | None = None, aliases: Mapping[str, Columns] = ALIASES
) -> dict[str, Columns]:
    """All columns that may stand for each field, the preferred one first; fields without one are left out.

    A `title` beside no text of a review is the product's as likely as the review's, so it is left alone.

    Args:
        header: the columns.
        given: what a field is called by whoever knows; such a column is nothing else too, and comes first.
        aliases: the names of each field.
    """
    given = given or {}
    taken = set(given.values())
    by_plain_name: dict[str, str] = {}
    for name in header:
        if name not in taken:
            by_plain_name.setdefault(plain(name), name)
    found = {
        field: (
            *((given[field],) if field in given else ()),
            *dict.fromkeys(by_plain_name[alias] for alias in map(plain, names) if alias in by_plain_name),
        )
        for field, names in aliases.items()
    }
    if "title" in found and not found.get("text") and "title" not in given:
        found["title"] = tuple(name for name in found["title"] if plain(name) != "title")
    return {field: names for field, names in found.items() if names}


def find_columns(header: Collection[str]) -> dict[str, str]:
    """The column of each field that has one."""
    return {field: names[0] for field, names in all_columns(header).items()}


def is_known(name: str) -> bool:
    """Whether a column bears a usual name of some field, or of something that is left out on purpose."""
    return plain(name) in _KNOWN


def may_name_a_person(name: str) -> bool:
    """Whether a column that is not read may say who wrote a review: it speaks of people, or is an id or number."""
    short = plain(name)
    return short not in _UNUSED and bool(_PERSON.search(short) or _ID.search(short))


def is_unused(name: str) -> bool:
    """Whether a column bears a name of something that a recommender does not read."""
    return plain(name) in _UNUSED


def speaks_of_people(name: str) -> bool:
    """Whether the name of a column speaks of people."""
    return bool(_PERSON.search(plain(name)))


def usual_names(field: str, count: int = 6) -> str:
    """A few names of a field, for messages."""
    return ", ".join(ALIASES[field][:count])
