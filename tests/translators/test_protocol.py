"""How trained networks translate, against train mode at batch 1, in which the reference's test script leaves them."""

import copy
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import sketchkit
from sketchkit.config.load import load_config
from sketchkit.engine.trial import try_protocol
from sketchkit.errors import ConfigError, DataError
from sketchkit.translators.padding import PaddedGenerator
from sketchkit.translators.protocol import InferenceProtocol
from tests.conftest import ROOT
from tests.translators import test_conditional, test_cycle

BATCH, DROPPED, BOTH = InferenceProtocol("batch"), InferenceProtocol(dropout=True), InferenceProtocol("batch", True)
NORMS = ["batch", {"type": "BN", "eps": 1e-3}, {"type": "SyncBN"}, {"type": "IN", "track_running_stats": True}]
KEYS = ["a", "b", "c"]


def trained(network):
    """The network in eval mode, with running statistics that are not those of a picture."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for module in network.modules():
            for name, value in module.named_buffers(recurse=False):
                if name in ("running_mean", "running_var"):
                    value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
    return network.eval()


def sources(count=3, size=64, seed=1):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def unet(norm="batch", width=4):
    torch.manual_seed(0)
    return trained(sketchkit.build("UNetGenerator", num_downs=6, width=width, norm=norm, init_gain=0.3))


def resnet():
    torch.manual_seed(0)
    return trained(sketchkit.build("ResNetGenerator", width=4, num_blocks=2, norm="batch", dropout=0.5))


@torch.no_grad()
def pictures(network, source, protocol, keys=KEYS, draw=0):
    return PaddedGenerator(network, {"source": source}, protocol).picture_of(keys[: len(source)], draw)


@torch.no_grad()
def in_train_mode(network, source, masks=None, **conditions):
    """A picture at a time; what dropout drops is given, or nothing."""
    twin, given = copy.deepcopy(network).train(), iter(masks or ())
    for layer in twin.modules():
        if isinstance(layer, nn.Dropout):
            layer.forward = lambda x: x if masks is None else x * next(given)
    one = [{name: value[i : i + 1] for name, value in conditions.items()} for i in range(len(source))]
    return torch.cat([twin(source[i : i + 1], **more) for i, more in enumerate(one)])


@pytest.mark.parametrize("norm", NORMS, ids=str)
def test_batch_statistics_are_those_of_train_mode_at_batch_1(norm):
    network = unet(norm)
    before = copy.deepcopy(network.state_dict())
    out = pictures(network, sources(), BATCH)
    assert torch.allclose(out, in_train_mode(network, sources()), atol=1e-6, rtol=0)
    assert not torch.allclose(out, network(sources()), atol=1e-2)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_conditional_batch_norm_too():
    torch.manual_seed(0)
    network = trained(sketchkit.build("MRUGenerator", image_size=32, width=4, num_classes=3))
    label = torch.tensor([2, 0, 1])
    batch = {"source": sources(size=32), "label": label}
    with torch.no_grad():
        generation = PaddedGenerator(network, batch, BATCH)
        noise = generation.noise_of(KEYS)
        expected = in_train_mode(network, batch["source"], label=label, noise=noise)
        assert torch.allclose(generation.picture_of(KEYS), expected, atol=1e-6)
        assert not torch.allclose(PaddedGenerator(network, batch).picture_of(KEYS), expected, atol=1e-3)


def test_dropout_is_that_of_train_mode_with_the_same_masks():
    network, masks = unet(width=32), []
    dropout = next(layer for layer in network.modules() if isinstance(layer, nn.Dropout))
    with dropout.register_forward_hook(lambda _, given, out: masks.append(out / given[0])):
        out = pictures(network, sources(1), BOTH)
    (mask,) = masks
    kept = mask[mask.isfinite()]
    assert set(kept.tolist()) == {0.0, 2.0}
    # 256 channels of 4 x 4: five standard deviations of the share that is kept.
    assert kept.count_nonzero().item() / kept.numel() == pytest.approx(0.5, abs=2.5 / kept.numel() ** 0.5)
    assert torch.allclose(out, in_train_mode(network, sources(1), [mask.nan_to_num(0)]), atol=1e-6)


@pytest.mark.parametrize("make", [unet, resnet])
def test_a_picture_depends_on_its_source_its_name_and_the_draw_alone(make):
    network = make()
    together, second = (pictures(network, sources(), BOTH, draw=draw) for draw in (0, 1))
    alone = torch.cat([pictures(network, sources()[i : i + 1], BOTH, [key]) for i, key in enumerate(KEYS)])
    assert torch.allclose(together, alone, atol=1e-6)
    assert torch.equal(together, pictures(network, sources(), BOTH))
    others = (second, pictures(network, sources(), BOTH, ["d", "e", "f"]), pictures(network, sources(), BATCH))
    assert all((together - other).abs().amax((1, 2, 3)).min() > 1e-3 for other in others)


def test_what_an_encoder_drops_belongs_to_the_draw():
    network = trained(sketchkit.build("TinyBackbone", dropout=0.5))
    generation = PaddedGenerator(network, {"source": sources(size=8)}, DROPPED)
    with torch.no_grad():
        one_after_another = [generation.picture_of(KEYS, draw) for draw in (0, 1)]
    assert torch.equal(one_after_another[1], pictures(network, sources(size=8), DROPPED, draw=1))


def test_a_network_may_be_used_by_threads_each_by_its_own_protocol():
    network, protocols = unet(), [InferenceProtocol(), BATCH, DROPPED, BOTH]
    expected = [pictures(network, sources(), protocol) for protocol in protocols]
    barrier = threading.Barrier(len(protocols))

    def work(protocol):
        barrier.wait()
        return [pictures(network, sources(), protocol) for _ in range(5)]

    with ThreadPoolExecutor(len(protocols)) as pool:
        for mine, wanted in zip(pool.map(work, protocols), expected, strict=True):
            assert all(torch.allclose(one, wanted, atol=1e-6) for one in mine)
    assert all(not torch.allclose(one, expected[0], atol=1e-3) for one in expected[1:])


def test_the_random_numbers_of_a_training_stay_its_own():
    network = resnet()
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    pictures(network, sources(), BOTH)
    assert torch.equal(torch.rand(4), expected)


@pytest.mark.parametrize(("drop", "shape"), [(F.dropout1d, (3, 64, 5)), (F.dropout2d, (3, 64, 4, 5))])
def test_dropout_of_channels_drops_whole_ones(drop, shape):
    with DROPPED.followed(3, KEYS):
        out = drop(torch.ones(shape), 0.25, training=False).flatten(2)
    assert torch.equal(out.amin(2), out.amax(2))
    assert out.unique().tolist() == pytest.approx([0, 4 / 3])
    with DROPPED.followed(3, KEYS):
        assert F.dropout(torch.ones(shape), 1.0).count_nonzero() == 0
        assert torch.equal(F.dropout(torch.ones(shape), 0.0), torch.ones(shape))
        kept = torch.ones(shape)
        F.dropout(kept, 0.5, False, True)
        assert 0 < kept.count_nonzero() < kept.numel()


def test_what_cannot_be_is_said_in_a_line():
    with DROPPED.followed(3, KEYS), pytest.raises(ConfigError, match="alpha dropout"):
        nn.AlphaDropout()(torch.ones(3, 2))
    for protocol, layer in ((BATCH, nn.BatchNorm2d(2).eval()), (DROPPED, nn.Dropout())):
        with protocol.followed(3, KEYS), pytest.raises(ConfigError, match="sees 6 samples where there are 3 pictures"):
            layer(torch.ones(6, 2, 4, 4))
    with BATCH.followed(1), pytest.raises(DataError, match=r"one number a channel.*test_norm='running'"):
        nn.BatchNorm1d(2).eval()(torch.ones(1, 2))
    for wrong in (dict(norm="foo"), dict(dropout=1)):
        with pytest.raises(ConfigError, match=r"test_(norm|dropout)="):
            InferenceProtocol(**wrong)


def config(name, *changes):
    return load_config(ROOT / f"configs/{name}.py", changes)


@pytest.mark.parametrize("change", ["translator.test_norm=foo", "translator.test_dropout=1", "translator.test_norm=1"])
@pytest.mark.parametrize("name", ["pix2pix_facades", "cyclegan_apple2orange", "cut_apple2orange"])
def test_a_wrong_word_is_refused_with_its_key(name, change):
    with pytest.raises(ConfigError, match=change.replace("translator.", "translator.*").split("=")[0]):
        config(name, change)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("sketchygan_official_sketchy", ()),
        ("autopainter_anime", ("image_size=256", "load_size=286")),
    ],
)
def test_norms_that_find_no_variance_in_a_picture_are_refused_before_training(name, changes):
    with pytest.raises(ConfigError, match="translator: a norm sees one number a channel"):
        try_protocol(config(name, *changes, "translator.test_norm=batch"))
    try_protocol(config(name, *changes, "translator.test_norm=running"))


@pytest.mark.parametrize("name", ["autopainter_anime", "pix2pix_facades", "cyclegan_apple2orange"])
def test_the_shipped_networks_can_be_run_by_a_pictures_own_statistics(name):
    try_protocol(config(name, "translator.test_norm=batch", "translator.test_dropout=True"))


def test_a_validation_shows_the_draws_of_dropout():
    model = test_conditional.translator(
        backbone=dict(norm=True, dropout=0.5, noise=False), test_norm="batch", test_dropout=True,
        ema=dict(type="ExponentialMovingAverage"),
    )  # fmt: skip
    trained(model)
    data = test_conditional.batch()
    shown = model.val_step(data)[0]
    assert len(shown["draws"]) == 2 and (shown["fake"] - shown["fake_alt"]).abs().mean() > 1e-3
    source = data["source"].float() / 127.5 - 1
    assert torch.equal(shown["fake_alt"], pictures(model.generator, source, BOTH, data["key"], 1))
    model.protocol = BATCH
    shown = model.val_step(data)[0]
    with torch.no_grad():
        assert torch.allclose(shown["fake"], model(source, noise=torch.zeros(4, 4, 8, 8)), atol=1e-6)


def test_a_cycle_follows_both_ways():
    backbone = dict(type="ResNetGenerator", width=4, num_blocks=1, norm="batch", dropout=0.5)
    model = trained(test_cycle.translator(backbone=backbone, test_norm="batch", test_dropout=True))
    data = test_cycle.batch()
    shown = model.val_step(data)[0]
    source, target = (data[key].float() / 127.5 - 1 for key in ("source", "target"))
    there, back = (model.networks()[way] for way in ("AtoB", "BtoA"))
    wanted = {
        "fake": pictures(there, source, BOTH, data["key"]),
        "fake_alt": pictures(there, source, BOTH, data["key"], 1),
        "fake_A": pictures(back, target, BOTH, data["key"]),
        "rec_A": pictures(back, shown["fake"], BOTH, data["key"]),
        "rec_B": pictures(there, shown["fake_A"], BOTH, data["key"]),
    }
    assert all(torch.equal(shown[name], picture) for name, picture in wanted.items())


def test_training_is_untouched_by_the_protocol():
    steps = []
    for protocol in ({}, dict(test_norm="batch", test_dropout=True)):
        model = test_conditional.translator(backbone=dict(norm=True, dropout=0.5), **protocol)
        wrappers = test_conditional.GroupOptimizers(test_conditional.SGD)(model)
        for _ in range(2):
            model.train().train_step(test_conditional.batch(), wrappers)
            model.eval()
            state = torch.random.get_rng_state()
            model.val_step(test_conditional.batch(seed=2))
            assert torch.equal(state, torch.random.get_rng_state())
        steps.append(test_conditional.weights(model))
    assert not test_conditional.moved(*steps)
