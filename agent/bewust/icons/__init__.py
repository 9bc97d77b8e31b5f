"""Bewust's own picture in the formats desktops ask for; `dev/icons` makes all of them from bewust.svg."""
