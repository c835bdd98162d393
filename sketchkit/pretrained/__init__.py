"""Which file of pretrained weights, where from; frozen feature networks."""
