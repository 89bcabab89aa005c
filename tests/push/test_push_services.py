"""Whom the server posts to: known services and those of the operator's list, and nothing in its own network."""

import re
from typing import Any

import httpcore
import pytest
import trio
from support.push_kit import Device

from chatsrv.config import Config, ConfigError
from chatsrv.push.sender import CheckedBackend
from chatsrv.push.services import PushServices, is_public

KNOWN = (
    "https://fcm.googleapis.com/fcm/send/abc:def",
    "https://updates.push.services.mozilla.com/wpush/v2/gAAAA",
    "https://wns2-par02p.notify.windows.com/w/?token=BQYAAA%2b%2f",
    "https://web.push.apple.com/QGnK",
    "https://FCM.googleapis.com:443/fcm/send/x",
)

REFUSED = {
    "plain HTTP": "http://fcm.googleapis.com/x",
    "another scheme": "ftp://fcm.googleapis.com/x",
    "no scheme": "fcm.googleapis.com/x",
    "a stranger": "https://push.example/x",
    "a name that begins so": "https://fcm.googleapis.com.example/x",
    "a name that ends so": "https://evilfcm.googleapis.com/x",
    "below a name that stands for itself": "https://a.fcm.googleapis.com/x",
    "the name above": "https://notify.windows.com/x",
    "a dot alone before it": "https://.notify.windows.com/x",
    "another port": "https://fcm.googleapis.com:22/x",
    "port 0": "https://fcm.googleapis.com:0/x",
    "no port": "https://fcm.googleapis.com:x/",
    "a user": "https://fcm.googleapis.com@127.0.0.1/x",
    "a user before a known name": "https://u:p@fcm.googleapis.com/x",
    "a backslash": "https://127.0.0.1\\@fcm.googleapis.com/x",
    "a line": "https://fcm.googleapis.com/x\r\nHost: a",
    "a tab in the name": "https://fcm.goo\tgleapis.com/x",
    "a space": "https://fcm.googleapis.com /x",
    "a fragment": "https://fcm.googleapis.com/x#y",
    "letters of other scripts": "https://fcm.googleapis.соm/x",
    "a wide dot": "https://fcm\uff0egoogleapis.com/x",
    "a last dot": "https://fcm.googleapis.com./x",
    "loopback": "https://127.0.0.1/x",
    "localhost": "https://localhost/x",
    "loopback, as a number": "https://2130706433/x",
    "loopback in IPv6": "https://[::1]/x",
    "half an address": "https://[::1/x",
    "the metadata of a cloud": "https://169.254.169.254/latest",
    "a private address": "https://10.0.0.1/x",
    "nothing": "https:///x",
}


@pytest.mark.parametrize("url", KNOWN)
def test_known_services(url: str) -> None:
    assert PushServices().endpoint(url) is not None


@pytest.mark.parametrize("what", REFUSED)
def test_everything_else_is_refused(what: str) -> None:
    assert PushServices(["push.internal:8443", "10.1.2.3"]).endpoint(REFUSED[what]) is None


def test_the_operators_list_names_hosts_with_their_ports() -> None:
    services = PushServices(["push.internal:8443", "10.1.2.3", "[fd00::1]:444"])
    for url in ("https://push.internal:8443/x", "https://10.1.2.3/x", "https://[fd00::1]:444/x"):
        assert services.endpoint(url) is not None
    for url in ("https://push.internal/x", "https://10.1.2.3:8443/x", "https://a.push.internal:8443/x"):
        assert services.endpoint(url) is None


@pytest.mark.parametrize("listed", ["", "*", "*.example", "https://push.example", "a/b", "a@b", "a:b", "a:0", "[::1"])
def test_a_list_with_what_is_no_service_is_refused(listed: str) -> None:
    with pytest.raises(ConfigError, match=re.escape("push_services: ")):
        Config(push_services=(listed,))


@pytest.mark.parametrize("contact", ["admin@example.org", "http://example.org", "tel:1"])
def test_a_contact_that_push_services_refuse(contact: str) -> None:
    with pytest.raises(ConfigError, match="push_contact"):
        Config(push_contact=contact)


PRIVATE = (
    *("127.0.0.1", "127.8.9.1", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
    *("198.18.0.1", "192.0.2.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00::1", "fec0::1", "ff02::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::1"),
    *("2001:0:7f00:1::1", "not an address"),
)
PUBLIC = ("8.8.8.8", "142.250.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808")


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_not_of_the_internet(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_of_the_internet(address: str) -> None:
    assert is_public(address)


class Names(trio.abc.HostnameResolver):
    """A name service that answers what it is told to, another thing each time."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    async def getaddrinfo(self, host: object, port: object, *_: object, **__: object) -> Any:
        await trio.lowlevel.checkpoint()
        del host
        return [(2, 1, 6, "", (address, port)) for address in self.answers.pop(0)]

    async def getnameinfo(self, sockaddr: object, flags: int) -> tuple[str, str]:
        raise NotImplementedError


class Network(httpcore.AsyncNetworkBackend):
    """Connects to nothing, and notes to what."""

    def __init__(self) -> None:
        self.tried: list[str] = []

    async def connect_tcp(self, host: str, *_: object, **__: object) -> httpcore.AsyncNetworkStream:
        await trio.lowlevel.checkpoint()
        self.tried.append(host)
        raise httpcore.ConnectError("nothing there")


async def connected_to(services: PushServices, *answers: list[str], host: str = "web.push.apple.com") -> list[str]:
    network, names = Network(), Names(*answers)
    trio.socket.set_custom_hostname_resolver(names)
    backend = CheckedBackend(services, network)
    for _ in answers:
        with pytest.raises(httpcore.ConnectError):
            await backend.connect_tcp(host, 443)
    return network.tried


async def test_a_known_name_that_points_into_the_servers_network_is_not_connected_to() -> None:
    assert await connected_to(PushServices(), ["127.0.0.1"], ["10.0.0.1", "::1"], ["169.254.169.254"]) == []


async def test_the_address_that_was_checked_is_connected_to_and_no_name_is_looked_up_twice() -> None:
    assert await connected_to(PushServices(), ["127.0.0.1", "8.8.8.8"], ["127.0.0.1"]) == ["8.8.8.8"]


async def test_only_a_service_of_the_list_may_have_a_private_address() -> None:
    services = PushServices(["push.internal"])
    assert await connected_to(services, ["10.0.0.9"], host="push.internal") == ["10.0.0.9"]
    assert await connected_to(services, ["10.0.0.9"]) == []


async def test_a_host_that_is_no_service_is_not_connected_to_whatever_its_address() -> None:
    assert await connected_to(PushServices(["push.internal"]), ["8.8.8.8"], host="push.example") == []


def test_an_endpoint_is_in_no_text_of_ours() -> None:
    endpoint = PushServices().endpoint(Device().endpoint)
    assert "device-1" not in repr(endpoint)
