"""Importing this module loads every plugin; registries do so at their first look-up."""

from sketchkit.loading import load_all

load_all()
