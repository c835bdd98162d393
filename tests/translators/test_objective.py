import pytest
import torch
from torch import nn

from sketchkit.errors import ConfigError, WeightsError
from sketchkit.registry import LOSSES
from sketchkit.translators.objective import Objective, StepInputs


def register(name, forward):
    LOSSES.register_module(name=name, module=type(name, (nn.Module,), {"forward": forward}), force=True)


register("FakeMean", lambda self, fake: fake.mean())
register("NeedsAll", lambda self, fake, head, real_output=None, label=None: (fake, head, real_output, label))
register("Misspelt", lambda self, fkae: fkae)
register("WantsHint", lambda self, rec: rec)
register("TellHead", lambda self, fake_output: fake_output)


class NeedsWeights(nn.Module):
    def __init__(self):
        raise WeightsError("net.pth cannot be had")


LOSSES.register_module(name="NeedsWeights", module=NeedsWeights, force=True)


def objective(terms, at_hand=("fake", "head", "fake_output"), on_request=("real_output",), heads=("a", "b")):
    return Objective(terms, "generator", at_hand, on_request, heads)


def constant(value):
    return lambda head: value


def test_terms_are_weighted_and_reported_unweighted():
    terms = dict(x=dict(type="FakeMean", weight=3.0), y=dict(type="FakeMean"), z=None)
    total, values = objective(terms)(StepInputs({"fake": constant(torch.tensor([2.0]))}, {}))
    assert total.item() == 3.0 * 2.0 + 2.0
    assert {name: value.item() for name, value in values.items()} == {"x": 2.0, "y": 2.0}


def test_a_loss_gets_what_it_names_and_optional_inputs_only_from_at_hand():
    built = objective(dict(x=dict(type="NeedsAll")))
    assert built.needs["x"] == ("fake", "head")
    built = objective(dict(x=dict(type="NeedsAll")), at_hand=("fake", "head", "real_output"), on_request=("label",))
    assert built.needs["x"] == ("fake", "head", "real_output")


def test_values_are_computed_once_and_only_when_asked_for():
    calls = []
    inputs = StepInputs({"fake": lambda head: calls.append("fake") or torch.ones(1)}, {"fake_alt": calls.append})
    objective(dict(x=dict(type="FakeMean"), y=dict(type="FakeMean")))(inputs)
    assert calls == ["fake"]


def test_a_term_is_judged_by_the_head_it_names():
    inputs = StepInputs({"fake_output": lambda head: torch.tensor({"a": 1.0, "b": 10.0}[head])}, {})
    terms = dict(first=dict(type="TellHead"), second=dict(type="TellHead", head="b", weight=2.0))
    assert objective(terms)(inputs)[0].item() == 21.0


@pytest.mark.parametrize(
    ("term", "message"),
    [
        (dict(type="Misspelt"), r"generator_losses\.x: Misspelt\.forward names 'fkae': did you mean 'fake'\?"),
        (
            dict(type="WantsHint"),
            r"generator_losses\.x: 'rec' cannot be had here; this side offers fake, fake_out",
        ),
        (dict(type="FakeMean", head="c"), r"generator_losses\.x: no head is named 'c': known: a, b"),
        (dict(type="FakeMaen"), r"generator_losses\.x: no loss is named 'FakeMaen': did you mean 'FakeMean'\?"),
        (dict(type="FakeMean", option=1), r"generator_losses\.x: FakeMean has no option 'option'"),
        (dict(weight=1.0), r"generator_losses\.x: a loss needs a type"),
    ],
)
def test_a_wrong_term_fails_when_it_is_built(term, message):
    with pytest.raises(ConfigError, match=message):
        objective(dict(x=term))


def test_missing_weights_say_how_to_drop_the_term():
    with pytest.raises(
        WeightsError, match=r"generator_losses\.p: net.* drop the term with --cfg-options generator_losses\.p=None"
    ):
        objective(dict(p=dict(type="NeedsWeights")))


@pytest.mark.parametrize(("value", "shape"), [(torch.ones(2, 3), r"\(2, 3\)"), (1.0, "float")])
def test_what_is_no_scalar_is_refused_by_its_terms_name(value, shape):
    class Wrong(nn.Module):
        def forward(self, fake):
            return value

    LOSSES.register_module(name="NoScalar", module=Wrong, force=True)
    objective = Objective(dict(mine=dict(type="NoScalar")), "generator", ("fake",), (), [])
    with pytest.raises(ConfigError, match=rf"generator_losses\.mine: Wrong gives {shape}, and a loss is a scalar"):
        objective(StepInputs({"fake": lambda _: torch.ones(1)}, {}))


def test_what_a_term_requires_and_the_data_lack_is_said():
    built = objective(dict(mine=dict(type="HintLoss")), at_hand=("fake", "target", "hint"))
    pictures = {name: constant(torch.zeros(1, 3, 4, 4)) for name in ("fake", "target")}
    with pytest.raises(ConfigError, match=r"generator_losses\.mine: HintLoss needs 'hint' .* this training has none"):
        built(StepInputs({**pictures, "hint": constant(None)}, {}))
    assert built(StepInputs({**pictures, "hint": constant(torch.ones(1, 4, 4, 4))}, {}))[0].item() == 0


def test_a_lazy_term_counts_k_times_in_each_kth_step():
    looks = []
    inputs = {
        "fake": constant(torch.tensor([2.0])),
        "fake_output": lambda head: looks.append(head) or torch.tensor(5.0),
    }
    built = objective(dict(plain=dict(type="FakeMean"), lazy=dict(type="TellHead", weight=0.5, every=4)))
    totals = [built(StepInputs(inputs, {}), step=step)[0].item() for step in range(9)]
    assert totals == [12.0, 2.0, 2.0, 2.0, 12.0, 2.0, 2.0, 2.0, 12.0] and len(looks) == 3
    assert sum(totals[:8]) / 8 == 2.0 + 0.5 * 5.0, "on average it weighs what it always did"
    assert built(StepInputs(inputs, {}), {"lazy": 1.0}, 4)[0].item() == 22.0
    assert built(StepInputs(inputs, {}), step=1)[1].keys() == {"plain"}, "what was not computed is not reported"


@pytest.mark.parametrize("every", [0, -1, 2.0, "2", True, None])
def test_every_is_a_count(every):
    with pytest.raises(ConfigError, match=r"generator_losses\.x\.every=.*: give a whole number of 1 or more"):
        objective(dict(x=dict(type="FakeMean", every=every), y=dict(type="FakeMean")))


def test_a_side_has_a_term_at_each_step():
    with pytest.raises(ConfigError, match="generator_losses: every term is left out at most steps: give one every=1"):
        objective(dict(x=dict(type="FakeMean", every=2), y=dict(type="FakeMean", every=3)))
