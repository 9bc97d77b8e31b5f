"""Many releases -> what a security team decides on: tables, a report, metrics.

Needs the extra bewust[fleet]; nothing that runs on a workstation imports this package.
"""
