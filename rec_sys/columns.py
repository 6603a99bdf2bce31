"""Names that several stages share, written once: table columns, node types, edge types."""

USER_ID = "user_id"  # str: what the outside calls a person
PRODUCT_ID = "product_id"  # str: what the outside calls a product
RATING = "rating"  # float32, 1 to 5; null where the source has none
TIMESTAMP = "timestamp"  # int64, seconds since 1970-01-01 UTC
TEXT = "text"  # str: title and body of the review; may be empty
LINE = "line"  # int64, 1-based line (or row) of the raw file
PRODUCT_NAME = "name"  # str: what a person reads in a table of recommendations
PRODUCT_TEXT = "text"  # str: what the encoder reads about a product

WEIGHT = "weight"  # float32: how much an interaction says of its user's interest; of events alone

REVIEWS_FILE = "reviews.parquet"  # USER_ID, PRODUCT_ID, RATING, TIMESTAMP, TEXT, LINE, in the order of the raw file
EVENTS_FILE = "events.parquet"  # USER_ID, PRODUCT_ID, "time" (ms), "kind", "basket", "quantity", "price", in time order
SALES_FILE = "sales.parquet"  # of orders: PRODUCT_ID, "day" since 1970, "pieces", "revenue", all lines, net of returns
PROPERTIES_FILE = "properties.parquet"  # "product", "property", "value", "time" (ms), a row per change
CATEGORIES_FILE = "categories.parquet"  # "category", "parent"; null at a root
PRODUCTS_FILE = "products.parquet"  # PRODUCT_ID, PRODUCT_NAME, PRODUCT_TEXT; only products that have a name or a text
REJECTS_FILE = "rejects.jsonl"  # {"line", "reason", "row"} of every raw row that was left out
SUMMARY_FILE = "summary.json"  # counts, format and fingerprint; written last, so its presence says "complete"
REPORT_FILE = "report.html"  # the same for a person, with plots; written by the command that prepares

USER, PRODUCT = "user", "product"  # node types
REVIEWS = (USER, "reviews", PRODUCT)  # edge type
REVIEWED_BY = (PRODUCT, "reviewed_by", USER)  # the same edges, read the other way

MIN_RATING, MAX_RATING = 1.0, 5.0
