"""Red packets and wallets: preparing, sending, grabbing and opening a packet, and the money in one's own wallet.

Amounts are integer cents. The server commits to its seed (`commitment`) before it sees the client's, and reveals it
when the packet is exhausted or expired; redpack/README.md says how anybody recomputes every share from that.
The modes are 1 lucky (each share is drawn as it is opened), 2 shuffled (all are drawn when the packet is sent),
3 equal, and 4 named (one share, for `receiver_id`).
"""

from chatsrv_protocol.errors import ErrorCode
from chatsrv_protocol.fields import (
    CLIENT_ID,
    CODE,
    COUNT,
    FLAG,
    GROUP_ID,
    LIMIT,
    MESSAGE_ID,
    NAME,
    ORDINAL,
    PACKET_ID,
    SEQ,
    TIME,
    TRANSFER_ID,
    TRANSFER_ID_OR_0,
    USER_ID,
    USER_ID_OR_0,
    WITHDRAWAL_ID,
    Bytes,
    Integer,
    ListOf,
    Optional,
    String,
    Struct,
    field,
)
from chatsrv_protocol.head import SequenceEvent
from chatsrv_protocol.limits import MAX_CENTS, MAX_EXACT, MAX_GROUP_MEMBERS, MAX_ID
from chatsrv_protocol.registry import command, event, reply, struct
from chatsrv_protocol.session import Person

LUCKY, SHUFFLED, EQUAL, NAMED = 1, 2, 3, 4
MODE_NAMES = {LUCKY: "lucky", SHUFFLED: "shuffled", EQUAL: "equal", NAMED: "named"}

CENTS = Integer(0, MAX_CENTS, "cents")
SIGNED_CENTS = Integer(-MAX_CENTS, MAX_CENTS, "cents")
AMOUNT = Integer(1, MAX_CENTS, "cents")
SHARES = Integer(1, MAX_GROUP_MEMBERS, "count")
MODE = Integer(LUCKY, NAMED, "packet_mode")
OPENING_NUMBER = Integer(0, MAX_EXACT, "opening_number")
SUBJECT_OR_0 = Integer(0, MAX_ID, "packet_or_withdrawal")
SEED = Bytes(32, 32)
SEED_OR_NONE = Bytes(0, 32)
GREETING = String(0, 256)

_IN_GROUP = (ErrorCode.GROUP_UNKNOWN, ErrorCode.FORBIDDEN)
_OF_PACKET = (ErrorCode.GROUP_UNKNOWN, ErrorCode.PACKET_UNKNOWN)
_OPENING = (*_OF_PACKET, ErrorCode.ALREADY_HAD, ErrorCode.EXHAUSTED, ErrorCode.EXPIRED, ErrorCode.NOT_FOR_YOU)
_SHAPE = (ErrorCode.BAD_AMOUNT, ErrorCode.BAD_COUNT, ErrorCode.BAD_MODE, ErrorCode.BAD_RECEIVER)


@reply(0x0640)
class PacketPrepared:
    """The server has fixed its seed: `commitment` binds it before it learns the client's. Send before `lapses_at`."""

    packet_id: int = field(PACKET_ID)
    commitment: bytes = field(SEED)
    lapses_at: int = field(TIME)


@command(
    0x0601,
    reply=PacketPrepared,
    errors=(
        *_IN_GROUP,
        *_SHAPE,
        ErrorCode.NOT_MEMBER,
        ErrorCode.MUTED,
        ErrorCode.BLOCKED,
        ErrorCode.USER_DISABLED,
        ErrorCode.SLOW_MODE,
    ),
)
class PreparePacket:
    """Prepare a packet for a group: `total` cents in `count` shares. No money moves.

    `mode`: 1 lucky, 2 shuffled, 3 equal, 4 named. `receiver_id` is for the mode named, and 0 in the others. At most 5 of
    a user wait to be sent; with one more the oldest can be sent no longer.
    """

    client_id: bytes = field(CLIENT_ID)
    group_id: int = field(GROUP_ID)
    total: int = field(AMOUNT)
    count: int = field(SHARES)
    mode: int = field(MODE, default=LUCKY)
    receiver_id: int = field(USER_ID_OR_0, default=0)


@struct
class PacketHead:
    """A packet as its message shows it; `client_seed` and `commitment` are what its sender has to compare.

    `mode`: 1 lucky, 2 shuffled, 3 equal, 4 named. `receiver_id` is 0 in all modes but named.
    """

    packet_id: int = field(PACKET_ID)
    total: int = field(AMOUNT)
    count: int = field(SHARES)
    mode: int = field(MODE)
    receiver_id: int = field(USER_ID_OR_0)
    expires_at: int = field(TIME)
    commitment: bytes = field(SEED)
    client_seed: bytes = field(SEED)


@reply(0x0647)
class PacketSent:
    """The packet is paid for, and stands in the group's sequence as a message of kind redpack."""

    group_id: int = field(GROUP_ID)
    seq: int = field(SEQ)
    id: int = field(MESSAGE_ID)
    ordinal: int = field(ORDINAL)
    sent_at: int = field(TIME)
    packet_id: int = field(PACKET_ID)


@command(
    0x0602,
    reply=PacketSent,
    errors=(
        *_IN_GROUP,
        ErrorCode.PACKET_UNKNOWN,
        ErrorCode.PREPARED_LAPSED,
        ErrorCode.INSUFFICIENT_FUNDS,
        ErrorCode.NOT_MEMBER,
        ErrorCode.MESSAGE_REFUSED,
        ErrorCode.MUTED,
        ErrorCode.BLOCKED,
        ErrorCode.USER_DISABLED,
        ErrorCode.SLOW_MODE,
    ),
)
class SendPacket:
    """Send a prepared packet with 32 random bytes of my own: my wallet pays, and the message appears, in one step.

    A refused send ends the preparation, but for `rate_limited` and `storage_full`: prepare a new packet.
    """

    client_id: bytes = field(CLIENT_ID)
    group_id: int = field(GROUP_ID)
    packet_id: int = field(PACKET_ID)
    client_seed: bytes = field(SEED)
    greeting: str = field(GREETING, default="")


@reply(0x0641)
class Grabbed:
    """Whether there is something for me: open_to_you, already_had, exhausted, expired or not_for_you.

    `cents` is what I had, if I had my share already.
    """

    answer: str = field(CODE)
    cents: int = field(CENTS, default=0)


@command(0x0603, reply=Grabbed, errors=_OF_PACKET)
class GrabPacket:
    """Is there something in this packet for me? Changes nothing."""

    group_id: int = field(GROUP_ID)
    packet_id: int = field(PACKET_ID)


@reply(0x0642)
class PacketShare:
    """My share, which is in my wallet by now: the `number`-th opening (from 0), with `left` shares to go."""

    packet_id: int = field(PACKET_ID)
    cents: int = field(AMOUNT)
    number: int = field(OPENING_NUMBER)
    left: int = field(COUNT)


@command(0x0604, reply=PacketShare, errors=_OPENING)
class OpenPacket:
    """Open a packet: draw my share and have it posted to my wallet."""

    client_id: bytes = field(CLIENT_ID)
    group_id: int = field(GROUP_ID)
    packet_id: int = field(PACKET_ID)


@struct
class Opening:
    """One share that was opened; `cents` is 0 where the server keeps amounts to their owners and it is not mine."""

    number: int = field(OPENING_NUMBER)
    user_id: int = field(USER_ID)
    name: str = field(NAME)
    cents: int = field(CENTS)
    opened_at: int = field(TIME)


@reply(0x0643)
class PacketShown:
    """All about a packet. `luckiest` is the number of the luckiest opening; the server's seed is empty until it ended.

    `state`: live, exhausted or expired. `openings` is in the order of opening; `more` may follow the page. `remaining`
    is 0 of a live packet where the server keeps amounts to their owners.
    """

    packet_id: int = field(PACKET_ID)
    group_id: int = field(GROUP_ID)
    seq: int = field(SEQ)
    sender: Person = field(Struct(Person))
    greeting: str = field(GREETING)
    total: int = field(AMOUNT)
    count: int = field(SHARES)
    mode: int = field(MODE)
    receiver_id: int = field(USER_ID_OR_0)
    state: str = field(CODE)
    remaining: int = field(CENTS)
    refunded: int = field(CENTS)
    sent_at: int = field(TIME)
    expires_at: int = field(TIME)
    commitment: bytes = field(SEED)
    client_seed: bytes = field(SEED)
    server_seed: bytes = field(SEED_OR_NONE)
    luckiest: int | None = field(Optional(OPENING_NUMBER))
    openings: tuple[Opening, ...] = field(ListOf(Struct(Opening)))
    more: bool = field(FLAG, default=False)


@command(0x0605, reply=PacketShown, errors=_OF_PACKET)
class ShowPacket:
    """Who took what and when? For members of the packet's group. `after` is how many openings earlier pages showed."""

    packet_id: int = field(PACKET_ID)
    after: int = field(COUNT, default=0)


@reply(0x0644)
class Balance:
    """What is in my wallet."""

    cents: int = field(CENTS)


@command(0x0606, reply=Balance)
class ShowBalance:
    """What is in my wallet?"""


@struct
class StatementLine:
    """One transfer of my wallet: its kind (grant, send, open, refund, withdraw, reversed), with the sign it has for me.

    `about` is the packet or withdrawal it belongs to, or 0.
    """

    transfer_id: int = field(TRANSFER_ID)
    kind: str = field(CODE)
    cents: int = field(SIGNED_CENTS)
    about: int = field(SUBJECT_OR_0)
    at: int = field(TIME)


@reply(0x0645)
class Statement:
    """A page of my transfers, the latest first, and my balance at the time of the answer."""

    lines: tuple[StatementLine, ...] = field(ListOf(Struct(StatementLine)))
    more: bool = field(FLAG)
    cents: int = field(CENTS)


@command(0x0607, reply=Statement)
class ShowStatement:
    """What went in and out of my wallet? `before` is the last transfer id of the page before, or 0."""

    before: int = field(TRANSFER_ID_OR_0, default=0)
    limit: int = field(LIMIT, default=50)


@command(0x0608, reply=Balance, errors=(ErrorCode.OPERATOR_ONLY, ErrorCode.USER_UNKNOWN, ErrorCode.BALANCE_TOO_LARGE))
class GrantMoney:
    """An operator tops somebody's wallet up, audited. Answers the wallet's new balance."""

    client_id: bytes = field(CLIENT_ID)
    name: str = field(NAME)
    cents: int = field(AMOUNT)


@reply(0x0646)
class Withdrawn:
    """The money left the wallet and waits for the payment provider under this id."""

    withdrawal_id: int = field(WITHDRAWAL_ID)
    cents: int = field(CENTS)


@command(0x0609, reply=Withdrawn, errors=(ErrorCode.INSUFFICIENT_FUNDS, ErrorCode.SESSION_ENDED))
class Withdraw:
    """Pay money out of my wallet, through the server's payment provider. `cents` of the reply is what is left."""

    client_id: bytes = field(CLIENT_ID)
    cents: int = field(AMOUNT)


@event(0x0680)
class PacketOpened(SequenceEvent):
    """Somebody (`sender`) opened a share (in the group's sequence). `cents` is 0 where amounts are kept private."""

    packet_id: int = field(PACKET_ID)
    cents: int = field(CENTS)
    left: int = field(COUNT)


@event(0x0681)
class PacketExhausted(SequenceEvent):
    """The last share was opened (in the group's sequence): the luckiest, and the seed that proves every draw."""

    packet_id: int = field(PACKET_ID)
    luckiest: Person | None = field(Optional(Struct(Person)))
    luckiest_cents: int = field(CENTS)
    server_seed: bytes = field(SEED)


@event(0x0682)
class PacketExpired(SequenceEvent):
    """Nobody opened the rest in time; it went back to its sender (in the group's sequence)."""

    packet_id: int = field(PACKET_ID)
    refunded: int = field(CENTS)
    left: int = field(COUNT)
    server_seed: bytes = field(SEED)


@event(0x06C0)
class WalletChanged:
    """My balance changed by something no group of mine shows: a grant, a refund after I left, a payout (personal, a hint)."""

    cents: int = field(CENTS)
