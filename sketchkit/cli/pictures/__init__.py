"""Which pictures a call means, where their translations go, and the work between."""
