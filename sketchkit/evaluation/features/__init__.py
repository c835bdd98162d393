"""What metrics see in images: extractors, one pass of all of them, and what is kept of it."""
