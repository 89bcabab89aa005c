"""What devices do about people: profiles, presence, blocks, and accounts of guests with logins, passwords and sessions.

The devices themselves live on one session each, so what ends sessions is done to guests, whom somebody registers.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from chatsrv.client import Client, RequestRefused, open_client
from chatsrv.client.errors import is_code
from chatsrv_protocol.errors import ErrorCode
from simulation.town import PASSWORD, Device, Guest, Operation


@asynccontextmanager
async def _another(device: Device, token: bytes | None = None) -> AsyncGenerator[Client]:
    """One more client on the same network."""
    async with open_client(
        device.town.world.network.dial,
        token=token,
        buffer=400,
        random_bytes=device.chance.randbytes,
        fraction=device.chance.random,
    ) as client:
        yield client


async def _visit(device: Device, client: Client) -> None:
    """A second connection of the same session."""
    del client
    async with _another(device, device.token) as second:
        await second.groups.list()


async def _register(device: Device, client: Client) -> None:
    del client
    async with _another(device) as other:
        await _new_guest(device, other)


async def _new_guest(device: Device, other: Client) -> Guest:
    guest = Guest(f"v{device.chance.getrandbits(50):x}", PASSWORD)
    await other.register(guest.name, guest.password)
    device.town.guests.append(guest)
    return guest


@asynccontextmanager
async def _as_guest(device: Device) -> AsyncGenerator[tuple[Guest, Client]]:
    guest = device.one_of(device.town.guests[-6:])
    async with _another(device) as other:
        try:
            await other.login(guest.name, guest.password)
        except RequestRefused:
            # Somebody changed the password, and was not told that it went well.
            try:
                await other.login(guest.name, guest.tried or guest.password)
                guest.password = guest.tried or guest.password
            except RequestRefused as refused:
                if not is_code(refused.code, ErrorCode.BAD_CREDENTIALS):
                    raise
                guest = await _new_guest(device, other)  # disabled, or two changed the password at once
        yield guest, other


async def _login(device: Device, client: Client) -> None:
    del client
    async with _as_guest(device) as (_, other):
        await other.account.sessions()
        await other.logout()


async def _end_session(device: Device, client: Client) -> None:
    del client
    async with _as_guest(device) as (_, other):
        found = [each.session_id for each in await other.account.sessions()]
        if found:  # another operation may have ended them all
            await other.account.end_session(device.chance.choice(found))


async def _change_password(device: Device, client: Client) -> None:
    del client
    async with _as_guest(device) as (guest, other):
        guest.tried = f"{PASSWORD} {device.chance.getrandbits(20)}"
        await other.account.change_password(guest.password, guest.tried)
        guest.password = guest.tried


async def _reset_password(device: Device, client: Client) -> None:
    guest = device.one_of(device.town.guests[-6:])
    guest.tried = f"{PASSWORD} {device.chance.getrandbits(20)}"
    await client.operator.reset_password(guest.name, guest.tried)
    guest.password = guest.tried


async def _enable(device: Device, client: Client) -> None:
    guest = device.one_of(device.town.guests[-6:])
    await client.operator.enable_user(guest.name, enabled=device.flip(0.7))


async def _backup(device: Device, client: Client) -> None:
    """By somebody who may not: an operator's would go to a real disk."""
    if device.user_id == device.town.users[0][0]:
        raise RequestRefused("nothing_there", "not on the simulated disk")
    await client.operator.backup("backup.sqlite3")


async def _block(device: Device, client: Client) -> None:
    """Block, and more often let be: else nobody talks to anybody at last."""
    user_id = device.somebody()
    await (client.people.block(user_id) if device.flip(0.3) else client.people.unblock(user_id))


async def _push(device: Device, client: Client) -> None:
    """Have a guest's device notified, look, and end it now and then: the posts go nowhere."""
    del client
    async with _as_guest(device) as (_, other):
        key = (await other.account.push()).key
        endpoint = f"https://fcm.googleapis.com/fcm/send/{device.chance.getrandbits(64):x}"
        await other.account.subscribe_push(endpoint, key, device.chance.randbytes(16), show_text=device.flip(0.5))
        if device.flip(0.7):
            await other.account.unsubscribe_push()


OPERATIONS: Final[dict[str, Operation]] = {
    "visit": Operation(0.5, _visit),
    "register": Operation(0.5, _register),
    "login": Operation(0.5, _login),
    "end_session": Operation(0.3, _end_session),
    "change_password": Operation(0.3, _change_password),
    "reset_password": Operation(0.2, _reset_password),
    "enable": Operation(0.2, _enable),
    "backup": Operation(0.1, _backup),
    "push": Operation(0.3, _push),
    "profile": Operation(
        0.5, lambda device, client: client.people.set_profile(nickname=device.name, hidden=device.flip(0.3))
    ),
    "profiles": Operation(0.5, lambda device, client: client.people.profiles([device.somebody()])),
    "find": Operation(0.5, lambda device, client: client.people.find([device.chance.choice(device.town.users)[1]])),
    "block": Operation(0.5, _block),
    "blocked": Operation(0.3, lambda _, client: client.people.blocked()),
    "watch": Operation(0.5, lambda device, client: client.presence.watch([device.somebody()])),
    "here": Operation(0.5, lambda device, client: client.group(device.group()).online()),
}
