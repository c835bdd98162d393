"""Losses: each names the inputs it needs in its `forward`."""
