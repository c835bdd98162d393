"""Build sketchkit; the `plugins` folder is installed as the package `sketchkit_plugins`, `configs` within sketchkit."""

from setuptools import find_packages, setup

BUILT_IN = "sketchkit_plugins"
# `sketchkit stylize` finds its presets among them, wherever it is called.
CONFIGS = ("sketchkit.configs", "sketchkit.configs._base_")

setup(
    packages=[
        *find_packages(include=["sketchkit", "sketchkit.*"]),
        BUILT_IN,
        *CONFIGS,
        *(f"{BUILT_IN}.{name}" for name in find_packages("plugins")),
    ],
    package_dir={BUILT_IN: "plugins", "sketchkit.configs": "configs"},
    package_data={"sketchkit": ["py.typed"], BUILT_IN: ["py.typed"]},
)
