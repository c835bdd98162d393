"""Layers that several networks are built of."""
