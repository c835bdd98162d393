"""What every translator shares: the contract, objectives, padding, preprocessing."""
