"""Transforms of a sample."""
