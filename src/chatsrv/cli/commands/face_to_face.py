"""`f2f`: four digits, whoever stands near, and a group with them."""

import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Annotated

from chatsrv.cli.declare import Argument, Option
from chatsrv.cli.errors import Failure, usage
from chatsrv.cli.online import CommandContext

if TYPE_CHECKING:
    from chatsrv.client import Client
    from chatsrv_protocol.face_to_face import InLobby, LobbyClosed, Waiting
    from chatsrv_protocol.governing import Entered


async def f2f(
    here: CommandContext,
    code: Annotated[str, Argument(metavar="CODE", help="Four digits that you agree on.")],
    lat: Annotated[float | None, Option(metavar="DEGREES", help="Where you are: north is positive.")] = None,
    lon: Annotated[float | None, Option(metavar="DEGREES", help="Where you are: east is positive.")] = None,
    enter: Annotated[bool, Option("--enter", help="Enter the group at once, and make it if need be.")] = False,
) -> None:
    """Meet people who enter the same code beside you within three minutes, and make a group with them.

    Shows who waits until somebody presses return here, which enters the group, or the three minutes are over. Without
    a position it works on one machine and in private networks.
    """
    if not (len(code) == 4 and code.isascii() and code.isdigit()):
        raise usage("a code is four digits, such as 0417")
    position = _position(lat, lon)
    waits = here.reads_events and not enter
    async with here.session(follow=waits) as client, _leaving(client, interruptible=waits):
        page = await client.face_to_face.enter_code(code, position)
        show_page(here, page)
        if enter:
            _entered(here, await client.face_to_face.enter_group())
        elif waits:
            await _wait(here, client, page)
        else:
            here.out.note(f"/f2f {code} --enter enters the group")


@asynccontextmanager
async def _leaving(client: "Client", *, interruptible: bool) -> AsyncGenerator[None]:
    """Leave the page if the block ends otherwise than well.

    Control-C is a signal here and no exception, which could end the connection before the word is said.
    """
    import trio

    from chatsrv.client import ClientError

    left_well = False
    try:
        if not interruptible:
            yield
        else:
            with trio.open_signal_receiver(signal.SIGINT) as signals:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_interrupt, signals)
                    yield
                    nursery.cancel_scope.cancel()
        left_well = True
    finally:
        if not left_well:
            with trio.move_on_after(1, shield=True), suppress(ClientError):
                await client.face_to_face.leave_lobby()


async def _interrupt(signals: AsyncIterator[int]) -> None:
    async for _ in signals:
        raise KeyboardInterrupt


def _position(lat: float | None, lon: float | None) -> tuple[float, float] | None:
    if lat is None and lon is None:
        return None
    if lat is None or lon is None:
        raise usage("a position has both: --lat and --lon")
    if not (-90 <= lat <= 90 and -180 <= lon <= 180):
        raise usage("--lat is from -90 to 90, --lon from -180 to 180")
    return lat, lon


async def _wait(here: CommandContext, client: "Client", page: "InLobby") -> None:
    """Show the page as it changes, until it ends."""
    import trio

    from chatsrv.client import RequestRefused
    from chatsrv_protocol.face_to_face import LobbyChanged, LobbyClosed

    async with trio.open_nursery() as nursery:
        if sys.stdin.isatty():
            here.out.note("press return to enter the group, control-C to leave")
            nursery.start_soon(_enter_on_return, client)
        try:
            async for event in client.events():
                if isinstance(event, LobbyClosed) and event.code == page.code:
                    await _closed(here, client, event)
                    break
                if isinstance(event, LobbyChanged):
                    try:
                        before, page = page, await client.face_to_face.show_lobby()
                    except RequestRefused as refusal:
                        if refusal.code != "lobby_over":
                            raise
                        continue  # it ended meanwhile, and why is what comes next
                    if page.people != before.people:
                        show_page(here, page)
        except RequestRefused as refusal:
            if refusal.code != "lobby_over":
                raise
            raise Failure(_REASONS["lobby_over"], code="lobby_over") from None
        nursery.cancel_scope.cancel()


async def _enter_on_return(client: "Client") -> None:
    import trio

    if await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True):
        await client.face_to_face.enter_group()


async def _closed(here: CommandContext, client: "Client", closed: "LobbyClosed") -> None:
    """Say how it ended: in the group, or not."""
    if not closed.group_id:
        raise Failure(why_closed(closed), code=closed.reason)
    _say(here, closed.group_id, (await client.group(closed.group_id).show()).name)


def why_closed(closed: "LobbyClosed") -> str:
    """Return why a lobby was closed without the user being in the group."""
    return _REASONS.get(closed.reason, f"you wait no longer ({closed.reason})")


_REASONS = {
    "lobby_over": "the three minutes are over",
    "left": "you left",
    "moved": "you went to another code",
    "server_busy": "too many people wait on this server",
}


def show_page(here: CommandContext, page: "InLobby") -> None:
    """Show who waits under a code."""
    people: list[dict[str, object]] = [
        {
            "user_id": str(each.user_id),
            "name": each.name,
            "nickname": each.nickname,
            "avatar": str(each.avatar) if each.avatar else None,
            "entered": each.entered,
        }
        for each in page.people
    ]
    shown = ", ".join(_guest(each) for each in page.people)
    here.out.say(f"{page.code}: {shown}", code=page.code, expires_at=page.expires_at, people=people)


def _guest(one: "Waiting") -> str:
    """Return a participant for a person: a terminal shows the number of their avatar, for `media get`."""
    name = f"{one.nickname} ({one.name})" if one.nickname else one.name
    avatar = f" [picture {one.avatar}]" if one.avatar else ""
    return name + avatar + (" (in the group)" if one.entered else "")


def _entered(here: CommandContext, entered: "Entered") -> None:
    _say(here, entered.group_id, entered.name)


def _say(here: CommandContext, group_id: int, name: str) -> None:
    here.out.say(f"you are in '{name}' with id {group_id}", id=str(group_id), group_id=str(group_id), name=name)
