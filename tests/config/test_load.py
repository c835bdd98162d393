import json
import math
import re
from pathlib import Path

import pytest
from mmengine.config import Config

from sketchkit.config import plugins
from sketchkit.config.load import apply_override, load_config, parse_value, read_config, resolve
from sketchkit.errors import ConfigError, PluginError
from sketchkit.registry import LOSSES
from tests.forks import Fork, succeeded

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "configs/sketchygan_sketchy.py"


def test_a_name_reaches_every_place_that_asks_for_it():
    config = load_config(CONFIG, ["data_root=elsewhere", "categories=7", "image_size=128"])
    assert config.train_dataloader.dataset.data_root == "elsewhere"
    assert config.val_dataloader.dataset.data_root == "elsewhere"
    assert config.train_dataloader.dataset.pipeline[2].size == [128, 128]
    assert (config.backbone.num_classes, config.heads.discriminator.num_classes) == (7, 7)


def test_num_classes_counts_named_categories():
    config = load_config(CONFIG, ["categories=['apple', 'banana']"])
    assert config.backbone.num_classes == 2
    assert config.train_dataloader.dataset.categories == ["apple", "banana"]


def test_one_name_is_one_class_and_none_is_refused():
    assert load_config(CONFIG, ["categories=apple"]).backbone.num_classes == 1
    for value in ("None", "0", "[]"):
        with pytest.raises(ConfigError, match=r"categories=.*: give a number"):
            load_config(CONFIG, [f"categories={value}"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "default_hooks = dict(grids=dict(intervall=3))",
            "default_hooks.grids: SampleGridHook has no option 'intervall'",
        ),
        (
            "train_dataloader = dict(dataset=dict(splitt='all'))",
            "train_dataloader.dataset: SketchyDataset has no option",
        ),
        ("train_cfg = dict(max_iter=3)", "train_cfg: TrainLoop has no option 'max_iter': did you mean 'max_iters'"),
        ("generator_losses = dict(pixel=dict(wieght=3))", "generator_losses.pixel: PixelLoss has no option 'wieght'"),
        ("optim_wrapper = dict(generator=dict(optimizer=dict(learning_rate=1)))", "Adam has no option 'learning_rate'"),
    ],
)
def test_an_option_mistyped_in_a_file_is_refused_with_its_place(tmp_path, text, message):
    (tmp_path / "config.py").write_text(f"_base_ = '{CONFIG}'\n{text}\n")
    with pytest.raises(ConfigError, match=re.escape(message)):
        load_config(tmp_path / "config.py")


def test_an_unknown_reference_is_refused():
    with pytest.raises(ConfigError, match=r"a.b = '\$seeed': did you mean 'seed'"):
        resolve(Config({"seed": 1, "a": {"b": "$seeed"}}))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4), ("3", 3), ("None", None), ("none", None), ("true", True), ("[1, 'a']", [1, "a"]),
        ("some/path", "some/path"), ("dict(type='X', weight=2)", {"type": "X", "weight": 2}),
        ("dict(a=dict(b=1))", {"a": {"b": 1}}), ("__import__('os')", "__import__('os')"), ("", ""),
        ("[dict(a=1), {'b': dict(c=(2, dict(d=3)))}]", [{"a": 1}, {"b": {"c": (2, {"d": 3})}}]),
        ("inf", math.inf), ("-inf", -math.inf), ("{[1]: 2}", "{[1]: 2}"), ("dict(**{'a': 1})", "dict(**{'a': 1})"),
        ("(" * 999, "(" * 999), ("-" * 9999 + "1", "-" * 9999 + "1"), ("\0", "\0"),
    ],
)  # fmt: skip
def test_values_are_literals(text, value):
    assert parse_value(text) == value


def test_nan_is_a_number_that_is_none():
    assert math.isnan(parse_value("nan")) and math.isnan(parse_value("NaN"))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("generator_losses.pixle.weight=1", "no config key 'generator_losses.pixle': did you mean 'pixel'"),
        ("generator_losses.pixel.wieght=1", "did you mean 'weight'"),
        ("backbone.widht=8", "did you mean 'width'"),
        ("image_sise=8", "did you mean 'image_size'"),
        ("train_dataloader.dataset.pipeline.9.size=8", "indices 0 to 3"),
        ("seed.deeper=8", "it has no 'deeper' to set"),
        ("train_dataloader.dataset.pipeline.\u00b2.p=8", "indices 0 to 3"),
        ("=8", "no config key '': a key is names"),
        ("backbone..width=8", "a key is names"),
        ("+filename=8", "mmengine keeps that name"),
        ("image_size", "not of the form key=value"),
    ],
)
def test_a_mistyped_key_is_refused_with_a_suggestion(override, message):
    with pytest.raises(ConfigError, match=message.replace(".", r"\.")):
        load_config(CONFIG, [override])


def test_an_option_that_the_class_has_may_be_set_though_the_config_does_not_name_it():
    assert load_config(CONFIG, ["backbone.width=8"]).backbone.width == 8
    assert load_config(CONFIG, ["generator_losses.pixel.distance=l2"]).generator_losses.pixel.distance == "l2"
    assert load_config(CONFIG, ["generator_losses.gan.head=discriminator"]).generator_losses.gan.head == "discriminator"
    assert load_config(CONFIG, ["optim_wrapper.generator.optimizer.weight_decay=0.1"])


def test_a_plus_adds_a_key():
    config = load_config(CONFIG, ["+generator_losses.tv=dict(type='TotalVariationLoss', weight=1e-4)"])
    assert config.generator_losses.tv.weight == 1e-4


def test_a_list_item_is_set_by_its_index():
    config = load_config(CONFIG, ["train_dataloader.dataset.pipeline.3.p=0.25"])
    assert config.train_dataloader.dataset.pipeline[3].p == 0.25


def test_a_missing_config_names_the_closest(monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(ConfigError, match=r"no config at configs/sketchygan_sketchi\.py: did you mean"):
        read_config("configs/sketchygan_sketchi.py")


def test_a_broken_config_is_one_line(tmp_path):
    (tmp_path / "broken.py").write_text("backbone = dict(type=\n")
    with pytest.raises(ConfigError, match=r"broken\.py is not a readable config: SyntaxError") as caught:
        read_config(tmp_path / "broken.py")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[1, 2]", "is damaged (JSON of a list and not of a dict)"),
        ("5", "is damaged (JSON of a int and not of a dict)"),
        ('{"a":', "is damaged (Expecting value"),
        ('{"filename": 1}', "is no config: mmengine keeps the key 'filename' for itself"),
        ('{"a": ' * 100_000 + "1" + "}" * 100_000, "is damaged (nested too deep)"),
        ("\udcff", "is damaged (no UTF-8 at byte 0)"),
    ],
)
def test_kept_json_that_is_no_config_is_one_line(tmp_path, text, reason):
    (tmp_path / "config.json").write_text(text, errors="surrogateescape")
    with pytest.raises(ConfigError, match=rf"config\.json {re.escape(reason)}") as caught:
        load_config(tmp_path / "config.json", trains=False)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["raise SystemExit(3)", "backbone = 1 / 0", "import no_such_module_anywhere"])
def test_a_config_that_fails_is_one_line(tmp_path, text):
    (tmp_path / "config.py").write_text(text)
    with pytest.raises(ConfigError, match=r"config\.py is not a readable config"):
        load_config(tmp_path / "config.py")


@pytest.mark.parametrize("key", ["plugin_files", "custom_imports"])
def test_what_names_no_plugin_is_refused(tmp_path, key):
    (tmp_path / "config.py").write_text(f"{key} = 5")
    with pytest.raises(ConfigError, match=f"{key}=5: give"):
        load_config(tmp_path / "config.py")


def test_custom_imports_come_from_the_configs_folder(tmp_path):
    (tmp_path / "my_loss_of_the_config_test.py").write_text(
        "from torch import nn\nfrom sketchkit.registry import LOSSES\n"
        "@LOSSES.register_module()\nclass LossOfTheConfigTest(nn.Module):\n"
        "    def forward(self, fake):\n        return fake.mean()\n"
    )
    config = tmp_path / "config.py"
    config.write_text(f"_base_ = '{CONFIG}'\ncustom_imports = dict(imports=['my_loss_of_the_config_test'])\n")
    load_config(config)
    from sketchkit.registry import LOSSES

    assert LOSSES.find("LossOfTheConfigTest") is not None


def test_a_failing_custom_import_is_named(tmp_path):
    (tmp_path / "config.py").write_text("custom_imports = dict(imports=['no_such_module_anywhere'])\n")
    with pytest.raises(PluginError, match="plugin no_such_module_anywhere failed to load: ModuleNotFoundError"):
        load_config(tmp_path / "config.py")


def test_a_run_folders_json_is_parsed_not_run(tmp_path):
    (tmp_path / "config.json").write_text('{"image_size": 32, "backbone": {"type": "x"}}')
    assert read_config(tmp_path / "config.json").image_size == 32


def test_apply_override_refuses_to_go_into_a_value():
    with pytest.raises(ConfigError, match=r"no config key 'a\.b'"):
        apply_override(Config({"a": 1}), "a.b.c=1")


@pytest.mark.slow
def test_a_kept_config_finds_its_plugins_again(tmp_path):
    """As a run folder keeps it: elsewhere, as JSON, opened without any flag by a process that knows no plugin."""
    loss = (
        "from torch import nn\nfrom sketchkit.registry import LOSSES\n"
        "@LOSSES.register_module()\nclass {0}(nn.Module):\n    def forward(self, fake):\n        return fake.mean()\n"
    )
    (tmp_path / "imported_again.py").write_text(loss.format("ImportedAgain"))
    (tmp_path / "given_again.py").write_text(loss.format("GivenAgain"))
    (tmp_path / "config.py").write_text(f"_base_ = '{CONFIG}'\ncustom_imports = dict(imports=['imported_again'])\n")
    kept = tmp_path / "run" / "config.json"
    kept.parent.mkdir()

    def keep():
        config = load_config(tmp_path / "config.py", plugin_files=[str(tmp_path / "given_again.py")])
        kept.write_text(json.dumps(config.to_dict()))
        plugins.keep(config, kept.parent)

    def open_again():
        load_config(kept)
        assert LOSSES.find("ImportedAgain") and LOSSES.find("GivenAgain")

    succeeded(Fork(keep))
    assert not LOSSES.find("ImportedAgain") and not LOSSES.find("GivenAgain")
    succeeded(Fork(open_again, cwd=tmp_path / "run"))


def test_a_config_that_is_data_names_no_code(tmp_path):
    for key, value in (("custom_imports", {"imports": ["this"]}), ("plugin_files", ["this.py"])):
        (tmp_path / "config.json").write_text(json.dumps({key: value}))
        with pytest.raises(PluginError, match=f"config.json is data and names {key}: give the files with --plugin"):
            load_config(tmp_path / "config.json", trains=False)
    (tmp_path / "config.yaml").write_text("a: !!python/object/apply:os.system ['true']")
    with pytest.raises(ConfigError, match=r"config\.yaml is no config: give a Python config"):
        load_config(tmp_path / "config.yaml")


@pytest.mark.parametrize("key", ["custom_imports", "+plugin_files", "custom_imports.imports", "+plugin_code"])
def test_plugins_are_not_named_by_overrides(key):
    with pytest.raises(ConfigError, match="read before all else"):
        load_config(ROOT / "configs/pix2pix_facades.py", [f"{key}=foo"])


def test_options_that_a_class_hands_on_can_be_overridden():
    config = load_config(ROOT / "configs/cut_apple2orange.py", ["translator.accumulate=2"])
    assert config.translator.accumulate == 2
    with pytest.raises(ConfigError, match="did you mean 'accumulate'"):
        load_config(ROOT / "configs/cut_apple2orange.py", ["translator.acumulate=2"])
