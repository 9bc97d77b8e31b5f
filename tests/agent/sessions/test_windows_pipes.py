"""The access list of the pipe names the service's account, which Windows computes from its name."""

from bewust.sessions.windows_pipes import CLIENT, account


def test_the_account_of_a_service_is_computed_as_windows_does() -> None:
    # Windows' own, published with it: the account that owns its files.
    installer = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"
    assert account("TrustedInstaller") == account("trustedinstaller") == installer


def test_a_client_may_read_and_write_but_not_be_a_server() -> None:
    assert CLIENT & 0x1 and CLIENT & 0x2 and not CLIENT & 0x4
