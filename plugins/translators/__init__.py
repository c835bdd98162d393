"""How a batch becomes pictures and losses: one file a system."""
