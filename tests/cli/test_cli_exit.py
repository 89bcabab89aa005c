"""How a command ends: what the network said, as a sentence for a person."""

import errno
import socket
import ssl

import pytest
import trio

from chatsrv.cli.errors import UNREACHABLE
from chatsrv.cli.exit import ending_of
from chatsrv.client import Unreachable


def wrong_version() -> ssl.SSLError:
    """What OpenSSL says of a server that does not speak TLS."""
    tls = ssl.create_default_context().wrap_bio(incoming := ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="x")
    incoming.write(b"HTTP/1.1 400 \r\n\r\n")
    with pytest.raises(ssl.SSLError) as raised:
        tls.do_handshake()
    return raised.value


def untrusted() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
    error.verify_message = "self-signed certificate"
    return error


@pytest.mark.parametrize(
    ("cause", "sentence"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "Connection refused"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
        (wrong_version(), "what answers there does not speak TLS"),
        (
            untrusted(),
            "its certificate is not trusted (self-signed certificate); CHATSRV_CA_FILE names who vouches for it",
        ),
        (ssl.SSLError(1, "[SSL: SOMETHING_ELSE] something else (_ssl.c:1)"), "TLS failed: [SSL: SOMETHING_ELSE]"),
    ],
)
def test_what_the_network_said_is_told(cause: OSError, sentence: str) -> None:
    between = trio.BrokenResourceError()
    between.__cause__ = ExceptionGroup("attempts", [cause])
    error = Unreachable("all attempts failed")
    error.__cause__ = between
    ending = ending_of(error)
    assert ending is not None
    assert ending.exit_code == UNREACHABLE
    assert ending.sentence.startswith(f"the server cannot be reached: {sentence}")
