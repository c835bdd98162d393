"""Metrics: pictures -> numbers."""
