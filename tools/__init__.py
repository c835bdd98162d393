"""The project's own programs; see the head of each."""
