"""Catalogue, policy and texts as data; code reads them through importlib.resources."""
