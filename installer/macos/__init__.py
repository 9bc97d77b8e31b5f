"""The package and what it is made of, for macOS."""
