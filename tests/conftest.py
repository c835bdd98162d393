"""Data and configs that tests share."""

import gc
import os
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from sketchkit import loading
from sketchkit.config.load import load_config
from sketchkit.engine.plots import draw_curves
from tools.gpu.steps import Setting
from tools.gpu.systems import draw_samples

ROOT = Path(__file__).resolve().parents[1]
NARROW = ROOT / "tests/configs/sketchygan_narrow.py"
TINY = Path(__file__).with_name("tiny_networks.py")
# Small networks gain nothing from threads, and the workers are as many as the cores; the same for what tests start.
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"


def pytest_collection_finish():
    """What is imported stays: a collection of garbage need not look through it each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def sample_root(tmp_path_factory):
    """A small sample data set in Sketchy's layout: 13 classes, 5 photos each, 2 sketches a photo, 48 pixels."""
    from sketchkit.data.sample import write_sketchy_sample

    root = tmp_path_factory.mktemp("sample") / "sketchy"
    write_sketchy_sample(root, photos_per_class=5, sketches_per_photo=2, size=48)
    return root


@pytest.fixture(scope="session")
def setting(tmp_path_factory):
    """What shipped configs are made small for by `tools.gpu.systems`, with a sample set of every kind."""
    setting = Setting(tmp_path_factory.mktemp("samples"), tmp_path_factory.mktemp("out"))
    list(draw_samples(setting))
    return setting


@pytest.fixture(scope="session")
def real_sketchy():
    """The real subset of the Sketchy Database, where there is one."""
    folder = Path(os.environ.get("SKETCHKIT_TEST_DATA", ROOT.parent / "shared" / "data")) / "sketchy"
    if not folder.is_dir():
        pytest.skip(f"no real Sketchy data at {folder} (set SKETCHKIT_TEST_DATA)")
    return folder


@contextmanager
def drawing_curves():
    """Runs in the block draw their curves, which the others leave out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sketchkit.engine.hooks.record.draw_curves", draw_curves)
        yield


def tiny_overrides(sample_root, *more):
    """A narrow SketchyGAN with tiny networks: a whole run takes a second or two."""
    return [
        f"data_root={sample_root}",
        "categories=3",
        "image_size=16",
        "batch_size=4",
        "num_workers=0",
        "backbone={'type': 'TinyBackbone', 'dropout': 0.2, 'norm': True}",
        "heads={'discriminator': {'type': 'TinyHead'}}",
        "optim_wrapper.generator.optimizer.lr=1e-3",
        "train_cfg.max_iters=6",
        "train_cfg.val_interval=3",
        "default_hooks.logger.interval=1",
        "default_hooks.grids.interval=6",
        "default_hooks.checkpoint.interval=3",
        *more,
    ]


@pytest.fixture
def tiny_config(sample_root):
    """`tiny_config(*overrides)`: a config with tiny networks, resolved."""
    return lambda *more: load_config(NARROW, tiny_overrides(sample_root, *more), [TINY])


@pytest.fixture(scope="session", autouse=True)
def quick_runs():
    """Runs without what takes longer than their few iterations: curves, and a config that is pretty in the log."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sketchkit.engine.hooks.record.draw_curves", lambda *_: None)
        patch.setattr("mmengine.config.config.FormatCode", lambda text, **_: (text, True))
        yield


@pytest.fixture(scope="session", autouse=True)
def own_state(tmp_path_factory):
    """What is trained with is noted in a folder of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKETCHKIT_STATE", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session", autouse=True)
def tiny_plugin():
    """The tiny networks, registered."""
    loading.load_file(TINY)


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """`runs(kind)`: the folder of a run of that kind, trained when it is first asked for; tests leave it as it is."""
    from tests.small_runs import small_run

    done = {}

    def get(kind):
        if kind not in done:
            done[kind] = small_run(kind, tmp_path_factory.mktemp(kind))
        return done[kind]

    return get


@pytest.fixture
def nothing_of_this_machine(tmp_path, monkeypatch):
    """No rows kept before, no weights, and no net to fetch them from."""
    for name in ("SKETCHKIT_CACHE", "SKETCHKIT_WEIGHTS", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("SKETCHKIT_OFFLINE", "1")


@pytest.fixture(scope="session")
def made_alexnet(tmp_path_factory):
    """A file of weights for LPIPS, of no training."""
    from torchvision.models import alexnet

    torch.manual_seed(0)
    state = alexnet().features.state_dict()
    file = tmp_path_factory.mktemp("weights") / "alexnet.pth"
    torch.save({f"features.{name}": tensor for name, tensor in state.items()}, file)
    return file
