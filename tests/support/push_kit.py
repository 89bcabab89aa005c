"""What tests of Web Push share: a device that decrypts, and a push service over HTTPS on loopback."""

import base64
import json
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import attrs
import h11
import trio
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chatsrv_protocol.push import SubscribePush
from support.tls_kit import issue


def unbase64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _derive(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)


@attrs.frozen
class Device:
    """A browser's keys. `number` makes them, and its endpoint at a service that everybody knows."""

    number: int = 1
    service: str = "https://fcm.googleapis.com/fcm/send"

    @property
    def key(self) -> ec.EllipticCurvePrivateKey:
        return ec.derive_private_key(1000 + self.number, ec.SECP256R1())

    @property
    def point(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    @property
    def auth(self) -> bytes:
        return bytes([self.number % 256]) * 16

    @property
    def endpoint(self) -> str:
        return f"{self.service}/device-{self.number}"

    def subscription(self, *, show_text: bool = False) -> SubscribePush:
        return SubscribePush(self.endpoint, self.point, self.auth, show_text)

    def decrypt(self, body: bytes) -> bytes:
        """The plain text of a message, by RFC 8291 and 8188. Raises where it is for somebody else."""
        salt, size, length = body[:16], int.from_bytes(body[16:20], "big"), body[20]
        theirs, sealed = body[21 : 21 + length], body[21 + length :]
        assert len(body) <= size + 21 + length
        assert len(sealed) <= size
        shared = self.key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), theirs))
        secret = _derive(shared, self.auth, b"WebPush: info\0" + self.point + theirs, 32)
        key = _derive(secret, salt, b"Content-Encoding: aes128gcm\0", 16)
        nonce = _derive(secret, salt, b"Content-Encoding: nonce\0", 12)
        text = AESGCM(key).decrypt(nonce, sealed, None).rstrip(b"\0")
        assert text.endswith(b"\x02")
        return text[:-1]

    def told(self, body: bytes) -> dict[str, Any]:
        return json.loads(self.decrypt(body))


@attrs.define
class PushService:
    """A push service that answers what it is told to."""

    port: int
    authority: Path
    posts: list[tuple[str, dict[str, str], bytes]] = attrs.field(factory=list)
    """(path, headers by their names in lower case, body)."""
    status: int = 201
    headers: list[tuple[str, str]] = attrs.field(factory=list)
    arrived: trio.Event = attrs.field(factory=trio.Event)

    async def next(self, seconds: float = 20) -> tuple[str, dict[str, str], bytes]:
        """The post that came, or comes, first; it is taken away."""
        with trio.fail_after(seconds):
            while not self.posts:
                self.arrived = trio.Event()
                await self.arrived.wait()
        return self.posts.pop(0)

    async def serve(self, stream: trio.abc.Stream) -> None:
        connection = h11.Connection(h11.SERVER)
        request: h11.Request | None = None
        body = b""
        try:
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    connection.receive_data(bytes(await stream.receive_some()))
                elif isinstance(event, h11.Request):
                    request, body = event, b""
                elif isinstance(event, h11.Data):
                    body += bytes(event.data)
                elif isinstance(event, h11.EndOfMessage):
                    assert request is not None
                    self._take(request, body)
                    headers = [*self.headers, ("Content-Length", "0")]
                    answer = connection.send(h11.Response(status_code=self.status, headers=headers))
                    await stream.send_all(answer + connection.send(h11.EndOfMessage()))
                    connection.start_next_cycle()
                else:
                    return
        except (trio.BrokenResourceError, h11.RemoteProtocolError):
            return  # the server went: its connection is cut, or its certificate did not please

    def _take(self, request: h11.Request, body: bytes) -> None:
        headers = {name.decode(): value.decode() for name, value in request.headers}
        self.posts.append((request.target.decode(), headers, body))
        self.arrived.set()


@asynccontextmanager
async def open_push_service(folder: Path, name: str = "localhost") -> AsyncGenerator[PushService]:
    """A push service on loopback with a certificate for this name, of an authority that nobody knows."""
    certificates = issue(folder, name)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.cert, certificates.key)
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_ssl_over_tcp_listeners(0, context, host="127.0.0.1")
        port = cast("trio.SocketListener", listener.transport_listener).socket.getsockname()[1]
        service = PushService(port, certificates.authority)
        nursery.start_soon(trio.serve_listeners, service.serve, [listener])
        yield service
        nursery.cancel_scope.cancel()
