"""`chatsrv redpack …` and `chatsrv wallet …`: sending, grabbing, opening and verifying packets, and one's own money.

Amounts are typed and shown as decimal currency and never become floats.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from chatsrv.cli.arguments import GroupName
from chatsrv.cli.declare import Argument, CommandGroup, Option
from chatsrv.cli.errors import Failure, usage
from chatsrv.cli.online import CommandContext, online

if TYPE_CHECKING:
    from chatsrv_protocol.redpack import PacketShown

redpack = CommandGroup(help="Red packets: send one, grab it, open it, prove that it was fair.")
wallet = CommandGroup(help="Your money: what is there, and what came and went.")

PacketId = Annotated[int, Argument(metavar="ID", help="The packet's id.")]
Amount = Annotated[str, Argument(metavar="AMOUNT", help="For example 8.88.")]


def cents_of(amount: str) -> int:
    """Parse an amount that a person typed; return cents. Raises Failure (exit code 2)."""
    from chatsrv_redpack import RedpackError, parse_cents

    try:
        return parse_cents(amount)
    except RedpackError as error:
        raise usage(error.message) from None


def money(cents: int) -> str:
    """Return cents as a person reads them."""
    from chatsrv_redpack import format_cents

    return f"¥{format_cents(cents)}" if cents >= 0 else f"-¥{format_cents(-cents)}"


@redpack.command("send")
@online
async def send(
    here: CommandContext,
    which: GroupName,
    amount: Amount,
    count: Annotated[int, Argument(metavar="COUNT", help="In how many shares.", min=1)],
    equal: Annotated[bool, Option("--equal", help="Everybody gets the same.")] = False,
    shuffled: Annotated[bool, Option("--shuffled", help="All shares are drawn at once, then shuffled.")] = False,
    receiver: Annotated[str | None, Option("--for", metavar="USER", help="For one person alone.")] = None,
    greeting: Annotated[str, Option("--greeting", metavar="TEXT", help="What stands on it.")] = "恭喜发财,大吉大利",
) -> None:
    """Send a red packet to a group: by default everybody who opens it draws a lucky share."""
    from chatsrv.cli.lookup import find_group, find_people
    from chatsrv_protocol import redpack as wire

    if sum((equal, shuffled, receiver is not None)) > 1:
        raise usage("--equal, --shuffled and --for exclude each other")
    mode = wire.EQUAL if equal else wire.SHUFFLED if shuffled else wire.LUCKY if receiver is None else wire.NAMED
    total = cents_of(amount)
    async with here.session() as client:
        group = await find_group(here, client, which)
        to = 0 if receiver is None else (await find_people(client, [receiver]))[0].user_id
        prepared = await client.redpack.prepare(group.group_id, total, count, mode=mode, receiver_id=to)
        sent = await client.redpack.send(group.group_id, prepared.packet_id, greeting=greeting)
    here.out.say(
        f"sent {money(total)} in {count} to '{group.name}' as packet {prepared.packet_id}",
        id=str(sent.id),
        seq=sent.seq,
        group_id=str(sent.group_id),
        packet_id=str(prepared.packet_id),
        total_cents=total,
        count=count,
        mode=wire.MODE_NAMES[mode],
        commitment=prepared.commitment.hex(),
    )


@redpack.command("grab")
@online
async def grab(here: CommandContext, packet_id: PacketId) -> None:
    """Ask whether there is something in a packet for you; takes nothing."""
    async with here.session() as client:
        shown = await client.redpack.show(packet_id)
        found = await client.redpack.grab(shown.group_id, packet_id)
    sentences = {
        "open_to_you": f"there is something for you: `chatsrv redpack open {packet_id}`",
        "already_had": f"you had {money(found.cents)} of it already",
        "exhausted": "all shares are taken",
        "expired": "it has expired",
        "not_for_you": "it is for somebody else",
    }
    here.out.say(
        sentences.get(found.answer, found.answer), packet_id=str(packet_id), answer=found.answer, cents=found.cents
    )


@redpack.command("open")
@online
async def open_it(here: CommandContext, packet_id: PacketId) -> None:
    """Open a packet: what you draw is in your wallet at once."""
    async with here.session() as client:
        shown = await client.redpack.show(packet_id)
        share = await client.redpack.open(shown.group_id, packet_id)
    here.out.say(
        f"you got {money(share.cents)}; {share.left} of {shown.count} shares are left",
        packet_id=str(packet_id),
        cents=share.cents,
        number=share.number,
        left=share.left,
    )


def reveal_of(shown: "PacketShown") -> dict[str, object]:
    """Return what `show --json` prints and `verify` reads: the library's reveal, and what a person wants besides."""
    from chatsrv_protocol.redpack import MODE_NAMES
    from chatsrv_redpack.reveal import FORMAT

    return {
        "format": FORMAT,
        "packet_id": str(shown.packet_id),
        "group_id": str(shown.group_id),
        "sender": shown.sender.name,
        "greeting": shown.greeting,
        "state": shown.state,
        "total_cents": shown.total,
        "count": shown.count,
        "mode": MODE_NAMES[shown.mode],
        "receiver_id": str(shown.receiver_id) if shown.receiver_id else None,
        "commitment": shown.commitment.hex(),
        "client_seed": shown.client_seed.hex(),
        "server_seed": shown.server_seed.hex() or None,
        "opened": [
            {
                "number": opening.number,
                "user_id": str(opening.user_id),
                "name": opening.name,
                "cents": opening.cents,
                "opened_at": opening.opened_at,
            }
            for opening in shown.openings
        ],
        "remaining_cents": shown.remaining if shown.remaining or shown.state != "live" else None,
        "refunded_cents": shown.refunded,
        "luckiest": shown.luckiest,
        "sent_at": shown.sent_at,
        "expires_at": shown.expires_at,
    }


@redpack.command("show")
@online
async def show(here: CommandContext, packet_id: PacketId) -> None:
    """Show who took what and when; with --json also what proves that it was fair."""
    from chatsrv.cli.events import clock

    async with here.session() as client:
        shown = await client.redpack.show(packet_id)
    if here.out.json:
        here.out.record(reveal_of(shown))
        return
    here.out.line(f"{shown.sender.name}: {shown.greeting}")
    taken = f"{len(shown.openings)} of {shown.count} shares opened"
    left = "" if shown.state == "live" and not shown.remaining else f"; {money(shown.remaining)} left"
    here.out.line(f"{money(shown.total)}, {taken}, {shown.state}{left}")
    if shown.refunded:
        here.out.line(f"{money(shown.refunded)} went back to {shown.sender.name}")
    rows = [
        (
            opening.name,
            money(opening.cents) if opening.cents else "?",
            clock(opening.opened_at),
            "luckiest" if opening.number == shown.luckiest else "",
        )
        for opening in shown.openings
    ]
    if rows:
        here.out.table(("who", "got", "when", ""), rows, empty="nobody opened it yet")


def _reveal_in(what: str) -> dict[str, object]:
    import json

    try:
        data = json.loads(Path(what).read_text())
    except OSError as error:
        raise Failure(f"{what} cannot be read: {error.strerror}", code="file") from None
    except (ValueError, RecursionError):
        raise Failure(f"{what} is not JSON: write it with `chatsrv redpack show ID --json`", code="file") from None
    if not isinstance(data, dict):
        raise Failure(f"{what} holds no packet", code="file")
    return data  # pyright: ignore[reportUnknownVariableType]


def _seen(text: str | None, option: str) -> bytes | None:
    try:
        seen = None if text is None else bytes.fromhex(text)
    except ValueError:
        seen = b""
    if seen is not None and len(seen) != 32:
        raise usage(f"{option} takes 64 hexadecimal digits")
    return seen


@redpack.command("verify")
@online
async def verify_packet(
    here: CommandContext,
    what: Annotated[
        str,
        Argument(metavar="ID|FILE", help="A packet's id, or a file that `show --json` wrote."),
    ],
    commitment: Annotated[str | None, Option("--commitment", metavar="HEX", help="What stood in its message.")] = None,
    client_seed: Annotated[str | None, Option("--client-seed", metavar="HEX", help="What its sender gave.")] = None,
) -> None:
    """Recompute the commitment and every share of a finished packet from its revealed seed; a file needs no server.

    Without --commitment this shows that the packet agrees with itself. With what you saw in the message before it was
    opened (`history --json`), it shows that the server changed nothing since.
    """
    from chatsrv_redpack import RedpackError, parse_reveal
    from chatsrv_redpack import verify as check

    if what.isascii() and what.isdigit():
        async with here.session() as client:
            data = reveal_of(await client.redpack.show(int(what)))
    else:
        data = _reveal_in(what)
    if data.get("server_seed") is None:
        raise Failure("the seed is revealed when the packet is exhausted or has expired: wait", code="not_yet")
    try:
        verdict = check(
            parse_reveal(data),
            seen_commitment=_seen(commitment, "--commitment"),
            seen_client_seed=_seen(client_seed, "--client-seed"),
        )
    except RedpackError as error:
        raise Failure(f"this is no complete packet: {error.message}", code="bad_reveal") from None
    if not verdict.ok:
        raise Failure("; ".join(str(problem) for problem in verdict.problems), code="not_fair")
    here.out.say(
        f"packet {data['packet_id']}: the commitment and all {len(verdict.shares)} shares follow from the seeds",
        packet_id=data["packet_id"],
        ok=True,
        shares=list(verdict.shares),
    )


@wallet.command("balance")
@online
async def balance(here: CommandContext) -> None:
    """Show what is in your wallet."""
    async with here.session() as client:
        cents = await client.wallet.balance()
    here.out.say(money(cents), cents=cents)


@wallet.command("statement")
@online
async def statement(
    here: CommandContext,
    limit: Annotated[int, Option("--limit", metavar="N", help="How many, the latest first.", min=1, max=200)] = 50,
) -> None:
    """Show what came into your wallet and what went out."""
    from chatsrv.cli.events import clock

    async with here.session() as client:
        found = await client.wallet.statement(limit=limit)
    if here.out.json:
        for line in found.lines:
            here.out.record(
                {
                    "id": str(line.transfer_id),
                    "kind": line.kind,
                    "cents": line.cents,
                    "about": str(line.about) if line.about else None,
                    "at": line.at,
                }
            )
        return
    rows = [(clock(line.at), line.kind, money(line.cents), str(line.about or "")) for line in found.lines]
    here.out.table(("when", "what", "amount", "packet or withdrawal"), rows, empty="nothing came in or went out yet")
    here.out.line(f"balance: {money(found.cents)}")


@wallet.command("grant")
@online
async def grant(
    here: CommandContext,
    user: Annotated[str, Argument(metavar="USER", help="Whose wallet.")],
    amount: Amount,
) -> None:
    """Top up somebody's wallet: an operator's right, audited."""
    cents = cents_of(amount)
    async with here.session() as client:
        now = await client.wallet.grant(user, cents)
    here.out.say(f"{user} has {money(now)} now", name=user, cents=now)


@wallet.command("withdraw")
@online
async def withdraw(here: CommandContext, amount: Amount) -> None:
    """Pay money out of your wallet through the server's payment provider."""
    cents = cents_of(amount)
    async with here.session() as client:
        done = await client.wallet.withdraw(cents)
    here.out.say(
        f"{money(cents)} waits to be paid out as withdrawal {done.withdrawal_id}; {money(done.cents)} is left."
        " `chatsrv wallet statement` shows when it is paid",
        id=str(done.withdrawal_id),
        cents=done.cents,
    )
