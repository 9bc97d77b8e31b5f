"""Packages for IT: built on Linux for every platform, from a clone and the package registries."""
