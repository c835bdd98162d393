"""The built-in plugins, imported as `sketchkit_plugins`: one file an idea."""
