"""The .deb and the .rpm."""
