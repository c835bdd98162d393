"""Results as JSON, as a table and as a page."""
