"""Build sketchkit; the `plugins` folder is installed as the package `sketchkit_plugins`."""

from setuptools import find_packages, setup

BUILT_IN = "sketchkit_plugins"

setup(
    packages=[
        *find_packages(include=["sketchkit", "sketchkit.*"]),
        BUILT_IN,
        *(f"{BUILT_IN}.{name}" for name in find_packages("plugins")),
    ],
    package_dir={BUILT_IN: "plugins"},
)
