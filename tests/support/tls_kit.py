"""Certificates for tests: a server's, of an authority that nobody knows, and the context of those who trust it."""

import ssl
from pathlib import Path

import attrs
import trustme


@attrs.frozen
class Certificates:
    """Files in PEM: the server's chain, its key, the authority; and a client's context that trusts it."""

    cert: Path
    key: Path
    authority: Path
    trusting: ssl.SSLContext


def issue(folder: Path, *names: str) -> Certificates:
    """A certificate for these names (127.0.0.1 without any), in a folder that is there and empty."""
    authority = trustme.CA()
    issued = authority.issue_cert(*(names or ("127.0.0.1",)))
    issued.private_key_pem.write_to_path(folder / "key.pem")
    for blob in issued.cert_chain_pems:
        blob.write_to_path(folder / "cert.pem", append=True)
    authority.cert_pem.write_to_path(folder / "authority.pem")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    return Certificates(folder / "cert.pem", folder / "key.pem", folder / "authority.pem", trusting)
