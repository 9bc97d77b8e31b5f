"""Bewust: reminds people, at the right moment, to use generative AI conscientiously."""

__version__ = "0.1.0"
