"""The `bewust` command: every subcommand, what it prints, and its exit code.

Belongs here: options, tables, words on standard output. Not here: what a command does; each is thin and imports late,
so
that `bewust --help` stays fast. Nothing imports this package; its entry point is `bewust.cli.main:main`.
"""
