"""PatchNCE against equation 3 of Park et al. (ECCV 2020) written out."""

import math

import pytest
import torch

from sketchkit.errors import ConfigError
from sketchkit.registry import LOSSES


def patches(*shape):
    vectors = torch.randn(shape, dtype=torch.float64)
    return vectors / vectors.norm(dim=-1, keepdim=True)


def written_out(query, key, temperature):
    """-log of exp(v . v+ / t) over itself and the exp(v . v- / t) of the other places of the same picture; the mean."""
    terms = []
    for picture, other in zip(query.tolist(), key.tolist(), strict=True):
        for place, vector in enumerate(picture):
            products = [sum(a * b for a, b in zip(vector, one, strict=True)) / temperature for one in other]
            terms.append(-products[place] + math.log(sum(math.exp(product) for product in products)))
    return sum(terms) / len(terms)


@pytest.mark.parametrize("temperature", [0.07, 1.0])
@pytest.mark.parametrize("name", ["PatchNCELoss", "IdentityPatchNCELoss"])
def test_it_is_the_papers_equation_and_the_mean_of_the_layers(name, temperature):
    queries, keys = ([patches(2, 5, 4), patches(2, 7, 3)] for _ in range(2))
    value = LOSSES.build(dict(type=name, temperature=temperature))(queries, keys)
    expected = [written_out(*pair, temperature) for pair in zip(queries, keys, strict=True)]
    assert float(value) == pytest.approx(sum(expected) / 2, rel=1e-5)


def test_patches_that_cannot_be_told_apart_cost_the_logarithm_of_their_number():
    same = [torch.ones(1, 6, 4) / 2]
    assert float(LOSSES.build(dict(type="PatchNCELoss"))(same, same)) == pytest.approx(math.log(6), rel=1e-6)


def test_the_sources_patches_get_no_gradient():
    query, key = patches(1, 4, 3).requires_grad_(), patches(1, 4, 3).requires_grad_()
    LOSSES.build(dict(type="PatchNCELoss"))([query], [key]).backward()
    assert query.grad.abs().sum() > 0 and key.grad is None


def test_half_precision_does_not_round_the_similarities():
    query, key = patches(1, 64, 32).float(), patches(1, 64, 32).float()
    loss = LOSSES.build(dict(type="PatchNCELoss"))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert float(loss([query], [key])) == pytest.approx(float(loss([query], [key])), rel=1e-6)
        value = loss([query], [key])
    assert value.dtype == torch.float32 and float(value) == pytest.approx(float(loss([query], [key])), rel=1e-6)


@pytest.mark.parametrize("temperature", [0, -1.0, float("nan")])
def test_a_temperature_that_is_not_positive_is_refused(temperature):
    with pytest.raises(ConfigError, match="temperature"):
        LOSSES.build(dict(type="PatchNCELoss", temperature=temperature))
