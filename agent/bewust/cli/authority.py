"""`bewust authority`: the certificate authority of this machine, made here or signed by the organisation."""

import datetime
from pathlib import Path

import click

from bewust.cli.console import Options, clear_errors, fail, say
from bewust.errors import AUTHORITY


@click.group(name="authority")
def authority_group() -> None:
    """Show, renew or import this machine's certificate authority."""


@authority_group.command(short_help="Show its names, its end, its fingerprint.")
@click.pass_obj
def show(options: Options) -> None:
    """Show the authority: its names, its end, its fingerprint."""
    from bewust.authority.authority import load

    with clear_errors():
        found = load(options.state / "authority")
    say(f"Root:        {found.root_pem}\nSHA-256:     {found.fingerprint}\nValid until: {found.not_after.date()}")
    say("Signed by:   " + ("the organisation's authority" if found.imported else "this machine itself"))
    say("Only for these names and the names below them:")
    for host in found.hosts:
        say(f"  {host}")


@authority_group.command(short_help="Make a new one for the decrypt list of now.")
@click.option("--if-needed", is_flag=True, help="Only where there is none, it ends soon, or its names are others.")
@click.pass_obj
def renew(options: Options, if_needed: bool) -> None:
    """Make a new authority for the decrypt list as it is now; browsers must then trust its root.

    Not for one that was imported: ask for another with `bewust authority request`.
    """
    from bewust.authority import authority
    from bewust.config import load_rules
    from bewust.config.rules import local_now

    folder = options.state / "authority"
    with clear_errors():
        rules = load_rules(options.config, state=options.state)
        hosts = rules.matcher.decrypted_hosts()
        if if_needed and not authority.needed(folder, hosts, local_now(rules)):
            say("The authority is in order; nothing was changed.")
            return
        if authority.is_external(folder):
            raise authority.AuthorityError(
                folder, "was signed by the organisation, whose root browsers trust", authority.REQUEST
            )
        made = authority.issue(folder, hosts, local_now(rules))
    say(f"New authority for {len(made.hosts)} names, until {made.not_after.date()}: {made.root_pem}")
    say("Let browsers trust this root instead of the old one. A running agent takes it within half a minute.")


@authority_group.command(short_help="Ask the organisation's authority to sign one.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True,
              help="Where to write the request (PEM, PKCS #10).")  # fmt: skip
@click.pass_obj
def request(options: Options, out: Path) -> None:
    """Write a request to the organisation's own authority, for exactly the decrypt list.

    The key is made here and stays here. What the request asks for must come back in the certificate:
    path length 0, the names as critical constraints, TLS servers only. Then `bewust authority import`.
    """
    from bewust.authority import external
    from bewust.config import load_rules

    with clear_errors():
        hosts = load_rules(options.config, state=options.state).matcher.decrypted_hosts()
        try:
            out.write_bytes(external.signing_request(options.state / "authority", hosts))
        except OSError as error:
            fail(f"{error.filename}: cannot be written ({error.strerror}). Check who may write there.", AUTHORITY)
    say(f"{out}: a request for {len(hosts)} names. Have it signed for at most {external.LONGEST.days} days, then")
    say("  bewust authority import CERTIFICATE ROOT")


@authority_group.command(name="import", short_help="Use one that the organisation's authority signed.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.pass_obj
def import_(options: Options, files: tuple[Path, ...]) -> None:
    """Use an intermediate that the organisation's authority signed, instead of an authority of our own.

    FILES (PEM) hold together the certificate, who signed it up to and with the root, and its key unless
    `bewust authority request` made that here. One that could speak for more than the decrypt list is
    refused; names of the list that it lacks are known by name only.
    """
    from bewust.authority import external
    from bewust.config import load_rules

    with clear_errors():
        hosts = load_rules(options.config, state=options.state).matcher.decrypted_hosts()
        try:
            taken = external.import_intermediate(
                options.state / "authority", files, hosts, datetime.datetime.now(datetime.UTC)
            )
        except OSError as error:
            fail(f"{error.filename}: cannot be written ({error.strerror}). Check who may write there.", AUTHORITY)
    say(f"Authority for {len(taken.hosts)} names, until {taken.not_after.date()}; root SHA-256 {taken.fingerprint}.")
    if lacking := taken.uncovered(hosts):
        say(f"Known by name only, as it does not cover them: {', '.join(lacking)}")
    say("Start the agent anew. A file that holds the key is needed no more: delete it.")
