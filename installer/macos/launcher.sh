#!/bin/sh
# Bewust's own Python with Bewust's own packages, and nothing else of this machine's.
exec "/Applications/Bewust.app/Contents/Resources/python/bin/python3" -I -B \
  -c 'from bewust.cli.main import main; main(prog_name="bewust")' "$@"
