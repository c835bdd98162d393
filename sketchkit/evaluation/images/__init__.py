"""Sets of images, which belong together, and those that a run makes."""
