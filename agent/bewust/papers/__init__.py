"""The papers that IT is asked for, made from the configuration in force: Markdown, HTML that prints, an SBOM.

Belongs here: what they say and how they look. A value that the organisation has not given is a marked blank,
never a guess.
"""
