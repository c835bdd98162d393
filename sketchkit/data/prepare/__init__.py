"""Data sets made, measured and checked before a training."""
