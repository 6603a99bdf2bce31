"""A trained graph model in numpy, straight from its files: commands that answer at once import neither torch nor PyG.

The same formulas as `rec_sys.recommenders.graph.user_tower` and `cold_start`, with the same weights; tests hold numpy,
torch and ONNX equal.
"""

from __future__ import annotations

import numpy as np

from rec_sys.arrays import Floats, Ints
from rec_sys.errors import CheckpointError
from rec_sys.recommenders.graph.history_arrays import HistoryArrays
from rec_sys.recommenders.graph.settings import Blend
from rec_sys.recommenders.graph.stored import StoredGraph
from rec_sys.recommenders.graph.vector_layout import ITEM_BIAS, RATING_BIAS

MAX_RATING_BIAS = 0.98  # as `rec_sys.recommenders.graph.user_tower.MAX_RATING_BIAS`
NEGATIVE_SLOPE = 0.2  # of GATv2Conv's leaky ReLU
SMALL = np.float32(1e-12)  # shorter vectors stay what they are when others get length 1
AT_ONCE = 8_000_000  # cosines in memory


class NumpyGraphEncoder:
    """Users and cold items of one stored model; several threads may ask at once.

    Args:
        stored: the model.

    Raises:
        CheckpointError: a weight is missing.
    """

    def __init__(self, stored: StoredGraph) -> None:
        self.stored, self.layout = stored, stored.layout
        self.text_dim, self.review_texts = stored.text_dim, stored.review_texts
        self.max_history = stored.settings.max_history
        prefix = "model."
        self.weights = {name[len(prefix) :]: value for name, value in stored.arrays.items() if name.startswith(prefix)}
        if "user_tower.out.weight" not in self.weights:
            raise CheckpointError(f"{stored.path} lacks the weights of its user tower; train again or name another")
        self._bank: tuple[Ints, Floats] | None = None

    # ---- users --------------------------------------------------------------------------------------------------

    def encode_users(self, products: Floats, histories: HistoryArrays) -> tuple[Floats, Floats]:
        """Vectors (num_users, vector_dim) and attention (num_edges,)."""
        state_of = products[histories.product]
        item_bias, product = state_of[:, ITEM_BIAS], state_of[:, self.layout.history_state]
        has_rating = ~np.isnan(histories.rating)
        rating = np.where(has_rating, histories.rating - np.float32(3), np.float32(0)).astype(np.float32)
        review = self._linear("user_tower.rating", np.stack([rating, has_rating.astype(np.float32)], axis=1))
        if self.review_texts:
            review = review + self._linear("user_tower.review_text", histories.text)
        position = self.weights["user_tower.age.weight"][histories.age] + self._linear(
            "user_tower.days", np.log1p(histories.days)[:, None]
        )
        edge = review[histories.edge_review] + position  # (num_edges, dim)
        state, attention = self._attend(product, edge, histories)
        preference = unit(self._linear("user_tower.out", state))
        content = preference
        if self.stored.blend is not None:
            content = self._blend(preference, state_of[histories.edge_review], histories, self.stored.blend)
        surplus = np.where(has_rating, rating - item_bias, 0).astype(np.float32)
        bias = self._rating_bias(np.stack([surplus, has_rating.astype(np.float32)], axis=1), state, histories)
        vectors = np.concatenate([bias, content * np.sqrt(1 - np.square(bias))], axis=1)
        return vectors.astype(np.float32), attention

    def _attend(self, product: Floats, edge: Floats, histories: HistoryArrays) -> tuple[Floats, Floats]:
        """States (num_users, dim) after all layers, and the attention of each edge, (num_edges,)."""
        user, review = histories.edge_user, histories.edge_review
        newest = histories.age == 0
        state = sum_by(product[review[newest]], user[newest], histories.num_users) + self.weights["user_tower.start"]
        attention = np.zeros(len(user), dtype=np.float32)
        look = self._transformer if self.stored.settings.conv == "transformer" else self._gat
        for layer in range(self.stored.settings.layers):
            message, weight = look(f"user_tower.convs.{layer}", product, state, edge, histories)
            state = state + message
            attention = attention + weight.mean(axis=1) / self.stored.settings.layers
        return state, attention

    def _transformer(
        self, name: str, product: Floats, state: Floats, edge: Floats, histories: HistoryArrays
    ) -> tuple[Floats, Floats]:
        """TransformerConv (Shi et al. 2021): message (num_users, dim), attention (num_edges, heads)."""
        user, review, heads = histories.edge_user, histories.edge_review, self.stored.settings.heads
        attributes = self._linear(f"{name}.lin_edge", edge)
        query = by_head(self._linear(f"{name}.lin_query", state)[user], heads)
        key = by_head(self._linear(f"{name}.lin_key", product)[review] + attributes, heads)
        score = (query * key).sum(axis=2) / np.sqrt(np.float32(key.shape[2]))
        weight = softmax_by(score, user, histories.num_users)
        value = by_head(self._linear(f"{name}.lin_value", product)[review] + attributes, heads) * weight[:, :, None]
        message = sum_by(value.reshape(len(user), state.shape[1]), user, histories.num_users)
        return message + self._linear(f"{name}.lin_skip", state), weight

    def _gat(
        self, name: str, product: Floats, state: Floats, edge: Floats, histories: HistoryArrays
    ) -> tuple[Floats, Floats]:
        """GATv2Conv (Brody et al. 2022): message (num_users, dim), attention (num_edges, heads)."""
        user, review, heads = histories.edge_user, histories.edge_review, self.stored.settings.heads
        value = self._linear(f"{name}.lin_l", product)[review]
        read = value + self._linear(f"{name}.lin_r", state)[user] + self._linear(f"{name}.lin_edge", edge)
        read = by_head(read, heads)
        score = (np.where(read > 0, read, NEGATIVE_SLOPE * read) * self.weights[f"{name}.att"]).sum(axis=2)
        weight = softmax_by(score.astype(np.float32), user, histories.num_users)
        weighted = by_head(value, heads) * weight[:, :, None]
        message = sum_by(weighted.reshape(len(user), state.shape[1]), user, histories.num_users)
        return message + self.weights[f"{name}.bias"], weight

    def _blend(self, preference: Floats, of_edge: Floats, histories: HistoryArrays, blend: Blend) -> Floats:
        """`item_factors.blend_users`."""
        user, num_users = histories.edge_user, histories.num_users
        decay = (np.float32(blend.decay) ** histories.age.astype(np.float32))[:, None]
        total = unit(sum_by(of_edge[:, self.layout.history_factors] * decay, user, num_users))
        seen = unit(sum_by(of_edge[:, self.layout.history_codes], user, num_users))
        weight = np.float32(blend.weight) * np.square(total).sum(axis=1, keepdims=True)
        rest = np.sqrt(1 - np.float32(blend.penalty) * np.square(seen).sum(axis=1, keepdims=True))
        content = [preference * np.sqrt(1 - weight), total * np.float32(blend.weight**0.5), np.zeros_like(weight)]
        blended: Floats = np.concatenate(
            [np.concatenate(content, axis=1) * rest, -seen * np.float32(blend.penalty**0.5)], axis=1
        )
        return blended

    def _rating_bias(self, rated: Floats, state: Floats, histories: HistoryArrays) -> Floats:
        """(num_users, 1)"""
        if "user_tower.rating_bias.weight" not in self.weights:
            return np.zeros((len(state), 1), dtype=np.float32)
        total = sum_by(rated[histories.edge_review], histories.edge_user, histories.num_users)
        surplus, count = np.hsplit(total, 2)
        mean = surplus / (count + np.exp(self.weights["user_tower.log_shrinkage"]))
        raw = self._linear("user_tower.surplus", mean) + self._linear("user_tower.rating_bias", state)
        bias: Floats = np.float32(MAX_RATING_BIAS) * np.tanh(raw)
        return bias

    # ---- cold items ---------------------------------------------------------------------------------------------

    def encode_cold_items(self, text: Floats) -> tuple[Floats, Floats]:
        """History states (n, history_dim) and vectors to recommend (n, vector_dim)."""
        size = max(1, AT_ONCE // max(1, len(self._examples()[0])))
        parts = [self._cold_items(text[start : start + size]) for start in range(0, max(1, len(text)), size)]
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])

    def _cold_items(self, text: Floats) -> tuple[Floats, Floats]:
        """`ColdItemEncoder.forward`."""
        layout, blend, calibration = self.layout, self.stored.blend, self.stored.calibration
        words = unit(np.asarray(text, dtype=np.float32))
        own_state, own_preference = self._of_text(words)
        bias = np.full((len(words), 1), self.stored.settings.rating_bias, dtype=np.float32)
        no_item_bias = np.zeros((len(words), 1), dtype=np.float32)
        code = np.zeros((len(words), layout.num_codes), dtype=np.float32)
        numbers, bank = self._examples()
        if calibration is None or not len(numbers):
            nothing = np.zeros((len(words), layout.rank), dtype=np.float32)
            content = own_preference
            if blend is not None:
                known = np.concatenate([own_preference, nothing], axis=1) * np.float32(((1 - blend.penalty) / 2) ** 0.5)
                rest = np.sqrt(np.maximum(1 - np.square(known).sum(axis=1, keepdims=True), 0))
                content = np.concatenate([known, rest, code], axis=1)
            history = np.concatenate([no_item_bias, own_state, nothing, code], axis=1)
            return history.astype(np.float32), with_bias(bias, content)
        target, history_of = self.stored.target[numbers], self.stored.history[numbers]
        which, weight = nearest(words @ bank.T, calibration.neighbours, calibration.sharpness)
        weight *= np.any(words, axis=1, keepdims=True)

        def mean_of(values: Floats) -> Floats:
            mean: Floats = np.einsum("nk,nkd->nd", weight, values[which])
            return mean

        preference = unit(unit(mean_of(target[:, layout.preference])) + own_preference)
        target_factors = unit(mean_of(target[:, layout.item_factors]))
        history_factors = mean_of(history_of[:, layout.history_factors])
        content = preference
        if blend is not None:
            scale = np.float32(calibration.scale)
            share = np.float32(calibration.factor_weight) * np.square(target_factors).sum(axis=1, keepdims=True)
            content = np.concatenate(
                [
                    preference * np.sqrt(scale * (1 - share)),
                    target_factors * np.sqrt(scale * share),
                    np.full_like(bias, np.sqrt(1 - scale)),
                    code,
                ],
                axis=1,
            )
        history = np.concatenate([no_item_bias, own_state, history_factors, code], axis=1)
        return history.astype(np.float32), with_bias(bias, content)

    def _of_text(self, words: Floats) -> tuple[Floats, Floats]:
        """`ProductTower.of_text`: states to read (n, dim) and preference embeddings (n, dim)."""
        if self.text_dim:
            states = self._linear("product_tower.text", words)
        else:
            states = np.zeros((len(words), self.layout.dim), dtype=np.float32)
        return self._linear("product_tower.history", states), unit(self._linear("product_tower.target", states))

    def _examples(self) -> tuple[Ints, Floats]:
        """Numbers and texts of the known products that have a text."""
        if self._bank is None:
            if self.stored.calibration is None:
                self._bank = np.zeros(0, dtype=np.int64), np.zeros((0, max(self.text_dim, 1)), dtype=np.float32)
            else:
                text = self.stored.arrays["bank.text"]
                numbers = np.flatnonzero(self.stored.arrays["bank.known"] & text.any(axis=1))
                self._bank = numbers, text[numbers].astype(np.float32)
        return self._bank

    def _linear(self, name: str, values: Floats) -> Floats:
        """A linear layer, with or without bias."""
        result: Floats = values.astype(np.float32) @ self.weights[f"{name}.weight"].T
        bias = self.weights.get(f"{name}.bias")
        return result if bias is None else result + bias


def unit(vectors: Floats) -> Floats:
    """(n, dim) of length 1 each; zero stays zero."""
    lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), SMALL)
    result: Floats = (vectors / lengths).astype(np.float32)
    return result


def with_bias(bias: Floats, content: Floats) -> Floats:
    """(n, 1 + content_dim) unit vectors: a rating bias, then the content."""
    rest = np.sqrt(1 - np.square(bias[:, RATING_BIAS]))
    return np.concatenate([bias, content * rest], axis=1).astype(np.float32)


def sum_by(values: Floats, group: Ints, num_groups: int) -> Floats:
    """(num_groups, width): values (n, width) added up by group."""
    total = np.zeros((num_groups, values.shape[1]), dtype=np.float32)
    np.add.at(total, group, values)
    return total


def softmax_by(score: Floats, group: Ints, num_groups: int) -> Floats:
    """(n, heads): softmax over the entries of each group."""
    highest = np.full((num_groups, score.shape[1]), -np.inf, dtype=np.float32)
    np.maximum.at(highest, group, score)
    weight = np.exp(score - highest[group])
    shares: Floats = weight / (sum_by(weight, group, num_groups)[group] + np.float32(1e-16))
    return shares


def by_head(values: Floats, heads: int) -> Floats:
    """(n, heads, width / heads)"""
    return values.reshape(len(values), heads, values.shape[1] // heads)


def nearest(cosine: Floats, count: int, sharpness: float) -> tuple[Ints, Floats]:
    """Places of the `count` largest cosines of each row, and softmax weights of these."""
    count = min(count, cosine.shape[1])
    which = np.argpartition(-cosine, count - 1, axis=1)[:, :count]
    near = np.take_along_axis(cosine, which, axis=1)
    weight = np.exp(sharpness * (near - near.max(axis=1, keepdims=True)))
    return which, (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)
