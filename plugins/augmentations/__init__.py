"""Changes of what discriminators look at."""
