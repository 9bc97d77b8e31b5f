"""`bewust admin`: the one privileged helper, with the same verbs on every platform.

Belongs here: what a machine is changed by, and how each change is taken back. Not here: the agent.
It runs as root or SYSTEM, at an installer's word or an administrator's, and ends.
"""
