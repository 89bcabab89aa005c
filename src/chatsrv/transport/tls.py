"""The server's side of TLS on a byte stream, with writes that never wait: encrypting needs no peer, only the socket does.

Trio's SSLStream cannot be written to without a task, since it may have to wait; for a group of 500 that is 500 tasks an
event. Here OpenSSL works on two buffers in memory. `try_write` encrypts and sends in one call; what the socket does not
take stays here, at most `CHUNK_BYTES` of it, until the next write.

Everything that OpenSSL makes leaves in the order in which it was made: the records of our data, and what it answers by
itself (session tickets, key updates, alerts).
"""

import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import trio

READ_BYTES: Final = 64 * 1024

RECORD_BYTES: Final = 16 * 1024
"""What a record holds at most."""

CHUNK_BYTES: Final = 64 * 1024
"""Bytes that are encrypted at once: a write of more is several system calls, and no more waits here in cipher text."""


class TlsStream(trio.abc.Stream):
    """TLS over `below`, as a server. One task reads; one writes, or any through `try_write`.

    `try_send` does one non-blocking write to the socket under `below`. A stream that ends without a close_notify ends all
    the same, as with browsers: frames say themselves where they end.
    """

    __slots__ = (
        "_below", "_broken", "_encrypted", "_ended", "_incoming", "_outgoing", "_sending", "_tls", "_try_send", "_unsent",
    )  # fmt: skip

    def __init__(self, below: trio.abc.Stream, try_send: Callable[[bytes], int], context: ssl.SSLContext) -> None:
        self._below = below
        self._try_send = try_send
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._unsent = b""  # before what `_outgoing` holds
        self._encrypted = 0  # bytes of data in these records, which no write has reported as taken
        self._sending = trio.Lock()  # held while a task waits for the socket
        self._ended = False
        self._broken = False

    async def do_handshake(self) -> None:
        """Do the handshake. Raises trio.BrokenResourceError. The caller sets a deadline."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._send_rest()
                await self._receive()
                if self._ended:
                    raise trio.BrokenResourceError("closed in the middle of a TLS handshake") from None
            except ssl.SSLError as error:
                raise self._failed(error) from error
            else:
                break
        if self._tls.version() == "TLSv1.3":
            # Session tickets, which go with the first answer: a client that says something and leaves is not sent any.
            self._unsent += self._outgoing.read()
        else:
            await self._send_rest()

    def try_write(self, data: bytes | memoryview) -> int:
        """Encrypt and send without waiting; return how many bytes were taken, perhaps none.

        What was not taken has to come first in the next write: a part of it may be encrypted already. Raises OSError
        where the connection is broken.
        """
        if self._broken:
            raise BrokenPipeError("TLS is over")
        taken = 0
        while self._send_now():
            taken += self._encrypted
            self._encrypted = 0
            if taken == len(data):
                break
            self._encrypted = self._tls.write(data[taken : taken + CHUNK_BYTES])
        return taken

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send all. Raises trio.BrokenResourceError and ClosedResourceError. A cancel leaves it unusable."""
        await trio.lowlevel.checkpoint()
        rest = memoryview(data)
        while True:
            try:
                rest = rest[self.try_write(rest) :]
            except OSError as error:
                raise trio.BrokenResourceError(f"the connection is broken: {error}") from None
            if not rest:
                return
            await self._send_rest()

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the socket takes something."""
        await self._below.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return the data of one record, or a part of it; empty at the end. Raises trio.BrokenResourceError."""
        waited = False
        while not self._ended:
            if self._incoming.pending or self._tls.pending():
                if not waited:
                    await trio.lowlevel.checkpoint()
                    waited = True
                data = self._decrypt(min(max_bytes or RECORD_BYTES, RECORD_BYTES))
                if data is not None:
                    return data
            if self._outgoing.pending:  # else a peer that does not read could make us keep any amount
                await self._send_rest()
            await self._receive()
            waited = True
        return b""

    async def aclose(self) -> None:
        """Close, after a close_notify if it can be written at once."""
        if not self._broken:
            self._broken = True
            with suppress(OSError):
                self._tls.unwrap()  # wants to read, since it does not wait for the peer's
            with suppress(OSError):
                self._send_now()
        await self._below.aclose()

    def _decrypt(self, max_bytes: int) -> bytes | None:
        """Return data of what has arrived; None where no record is whole."""
        try:
            data = self._tls.read(max_bytes)
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLZeroReturnError:
            data = b""
        except ssl.SSLError as error:
            raise self._failed(error) from error
        self._ended = not data
        return data

    async def _receive(self) -> None:
        """Take what has arrived, or note the end."""
        data = await self._below.receive_some(READ_BYTES)
        if data:
            self._incoming.write(data)
        else:
            self._ended = True

    def _send_now(self) -> bool:
        """Send what waits here, if the socket takes it now; return whether nothing is left. Raises OSError."""
        if self._sending.locked():
            return False
        data = self._unsent
        if self._outgoing.pending:
            data += self._outgoing.read()
        if not data:
            return True
        try:
            self._unsent = data[self._try_send(data) :]
        except BlockingIOError:
            self._unsent = data
        return not self._unsent

    async def _send_rest(self) -> None:
        """Send what waits here, waiting for the socket."""
        async with self._sending:
            data, self._unsent = self._unsent + self._outgoing.read(), b""
            if data:
                try:
                    await self._below.send_all(data)
                except BaseException:
                    self._broken = True  # nobody knows how much of it was sent
                    raise

    def _failed(self, error: ssl.SSLError) -> trio.BrokenResourceError:
        """Send the alert that OpenSSL made, if that is possible at once; from here on nothing more can be sent."""
        with suppress(OSError):
            self._send_now()
        self._broken = True
        return trio.BrokenResourceError(f"TLS failed: {error.reason or error}")
