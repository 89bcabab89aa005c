"""A whole way over sockets: a server, a push service by HTTPS on loopback with an authority of its own, and a device."""

import socket
from pathlib import Path

import pytest
import trio
from support.http_kit import quick
from support.push_kit import Device, PushService, open_push_service
from support.server_kit import Client, enter

from chatsrv.app import Server, open_server
from chatsrv.push.sender import HttpPushGateway, PushAnswer
from chatsrv.push.services import PushServices
from chatsrv.testing import WINDOW, TestServer
from chatsrv_protocol.push import ShowPush


def enterable(server: Server) -> TestServer:
    return TestServer(server, server.services.clock, WINDOW)  # type: ignore[arg-type] - the machine's own clock


async def test_a_message_arrives_at_a_device_and_410_ends_the_subscription(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_push_service(tmp_path) as service:
        monkeypatch.setenv("SSL_CERT_FILE", str(service.authority))
        device = Device(service=f"https://localhost:{service.port}/wpush")
        settings = {"push_services": f"localhost:{service.port}", "push_contact": "mailto:admin@example.org"}
        async with open_server(quick(**settings)) as server:
            people = enterable(server)
            ann, bob = await enter(people, "ann", "bob")
            group_id = await bob.make_group("home", ann)
            assert ann.me is not None
            await ann.ask(device.subscription())
            await ann.stream.aclose()
            await _gone(server, ann)
            seq = (await bob.say(group_id, "the soup is at one")).seq
            path, headers, body = await service.next()
            assert path == "/wpush/device-1"
            assert headers["content-encoding"] == "aes128gcm"
            assert headers["authorization"].startswith("vapid t=")
            assert device.told(body) == {"group": str(group_id), "seq": seq, "name": "home", "count": 1, "mentions": 0}
            assert b"soup" not in device.decrypt(body)

            service.status = 410
            other = await bob.make_group("work")
            await bob.add(other, ann)
            await bob.say(other, "again")
            await service.next()
            ann = await Client(await people.dial()).resume(ann.me.token)
            with trio.fail_after(120):
                while (await ann.ask(ShowPush())).subscribed:
                    await trio.sleep(0.05)


async def _gone(server: Server, client: Client) -> None:
    with trio.fail_after(120):
        while server.services.bus.is_here(client.user_id):
            await trio.sleep(0.05)


async def post(service: PushService, host: str = "localhost", listed: str = "localhost") -> PushAnswer:
    services = PushServices([f"{listed}:{service.port}"])
    endpoint = PushServices([f"{host}:{service.port}"]).endpoint(f"https://{host}:{service.port}/x")
    assert endpoint is not None
    async with HttpPushGateway.open(services, lambda: 0.0) as gateway:
        return await gateway.post(endpoint, {"TTL": "1"}, b"body")


async def test_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_push_service(tmp_path) as service:
        monkeypatch.setenv("SSL_CERT_FILE", str(service.authority))
        assert await post(service) == PushAnswer(201)
        service.status, service.headers = 429, [("Retry-After", "120")]
        assert await post(service) == PushAnswer(429, 120.0)
        service.headers = [("Retry-After", "Thu, 01 Jan 1970 00:02:00 GMT")]
        assert await post(service) == PushAnswer(429, 120.0)
        service.headers = [("Retry-After", "99999999999999")]
        assert await post(service) == PushAnswer(429, 3600.0)
        for odd in ("soon", "-1", "", "Thu, 32 Jan 1970 00:02:00 GMT"):
            service.headers = [("Retry-After", odd)]
            assert await post(service) == PushAnswer(429, 0.0)


async def test_a_redirect_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_push_service(tmp_path) as service:
        monkeypatch.setenv("SSL_CERT_FILE", str(service.authority))
        service.status, service.headers = 307, [("Location", f"https://localhost:{service.port}/elsewhere")]
        answer = await post(service)
        assert (answer.status, answer.is_taken, answer.is_temporary) == (307, False, False)
        assert [path for path, _, _ in service.posts] == ["/x"]


async def test_a_certificate_of_nobody_we_trust_gets_nothing(tmp_path: Path) -> None:
    async with open_push_service(tmp_path) as service:
        answer = await post(service)
        assert (answer.status, answer.is_temporary) == (0, True)
        assert service.posts == []


async def test_a_certificate_of_another_name_gets_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_push_service(tmp_path, "push.example") as service:
        monkeypatch.setenv("SSL_CERT_FILE", str(service.authority))
        assert (await post(service)).status == 0
        assert service.posts == []


async def test_loopback_is_not_connected_to_unless_the_operator_names_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        port = listener.getsockname()[1]
        endpoint = PushServices([f"127.0.0.1:{port}"]).endpoint(f"https://127.0.0.1:{port}/x")
        assert endpoint is not None
        async with HttpPushGateway.open(PushServices([f"localhost:{port}"]), lambda: 0.0) as gateway:
            assert (await gateway.post(endpoint, {}, b"body")).reason == "ConnectError"
        with pytest.raises(TimeoutError):
            listener.accept()
