"""What lies in the state folder: every name, and what it holds.

A name that is not here is refused when an agent starts in a folder that others can read, and is a finding of
`bewust prove`; the papers have a sentence of their own for each of OTHERS.
"""

STORE = "counters.db"
LOCK = "lock"
RUN = "run.json"
AUTHORITY = "authority"
LOGIN = "login.json"
LAST_GOOD = "last-good"  # a copy of the organisation's folder as it was last found to be right
CATALOGUE = "catalogue"
ROOTS = "roots.pem"  # on Windows

# All but the store, in which `bewust prove` looks at every row.
OTHERS = {
    LOCK: "empty; keeps two agents from using one folder",
    RUN: "port, process and password of the running agent, for its own commands",
    AUTHORITY: "the certificate authority of this machine",
    LOGIN: "which kinds of use were explained to you, and until which day you want no reminders",
    LAST_GOOD: "a copy of your organisation's own settings",
    CATALOGUE: "catalogues that your organisation imported: at most the one in force and those before it",
    ROOTS: "the certificates of authorities that Windows trusts",
}
OURS = frozenset((STORE, *OTHERS))
