"""`python -m sketchkit` is `sketchkit`."""

from sketchkit.cli import main

main()
