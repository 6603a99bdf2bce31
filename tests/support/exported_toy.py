"""A checkpoint with random weights everywhere, in any shape a model can have: what exporting is tested with."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.nn import functional

from rec_sys.ids import IdMap
from rec_sys.recommenders.graph.checkpoint import TrainedGraph, load_checkpoint, save_checkpoint
from rec_sys.recommenders.graph.cold_start import TextNeighbourBank
from rec_sys.recommenders.graph.item_factors import ItemFactors
from rec_sys.recommenders.graph.network import GraphNetwork
from rec_sys.recommenders.graph.product_tower import ProductStates
from rec_sys.recommenders.graph.settings import Blend, Calibration, GraphModelSettings

NUM_PRODUCTS, TEXT_DIM, RANK, NUM_CODES = 50, 12, 6, 3


def random_checkpoint(
    path: Path,
    texts: bool = True,
    review_texts: bool = True,
    item_factors: bool = True,
    seed: int = 0,
    **settings: object,
) -> TrainedGraph:
    """Write a model and load it.

    Args:
        path: the folder.
        texts: whether products have texts.
        review_texts: whether reviews have texts too.
        item_factors: whether item factors and exclusion codes stand beside the network's vectors.
        seed: of all numbers.
        settings: of the network.
    """
    torch.manual_seed(seed)
    chosen = GraphModelSettings.read({"dim": 16, "heads": 2, "max_history": 7, **settings})
    model = GraphNetwork(chosen, NUM_PRODUCTS, TEXT_DIM if texts else 0, review_texts)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.2)
    rating_bias = torch.full((NUM_PRODUCTS, 1), chosen.rating_bias)
    preference = functional.normalize(torch.randn(NUM_PRODUCTS, 16), dim=1) * (1 - chosen.rating_bias**2) ** 0.5
    states = ProductStates(torch.randn(NUM_PRODUCTS, 17), torch.cat([rating_bias, preference], dim=1))
    blend = None
    if item_factors:
        blend = Blend(rank=RANK, weight=0.4, num_codes=NUM_CODES, penalty=0.1)
        target = functional.normalize(torch.randn(NUM_PRODUCTS, RANK), dim=1) * 0.8
        code = functional.one_hot(torch.randint(NUM_CODES, (NUM_PRODUCTS,)), NUM_CODES).float()
        states = states.with_item_factors(ItemFactors(torch.randn(NUM_PRODUCTS, RANK), target), code, 0.1)
    bank = None
    if texts:
        text = functional.normalize(torch.randn(NUM_PRODUCTS, TEXT_DIM), dim=1)
        text[::5] = 0
        bank = TextNeighbourBank(text.half(), torch.ones(len(text), dtype=torch.bool), Calibration(scale=0.6))
    products = IdMap([f"p{number}" for number in range(NUM_PRODUCTS)], "product")
    names = [f"Product {number}" for number in range(NUM_PRODUCTS)]
    save_checkpoint(path, TrainedGraph(model, states, products, names, {"settings": {}, "encoder": {}}, blend, bank))
    return load_checkpoint(path)
