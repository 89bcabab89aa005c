"""What transaction scripts answer: named tuples, stored as JSON arrays of their fields under the client id of a command.

A field is a number, a string, a boolean, None or a list of numbers. A stored result outlives an upgrade: add fields at
the end, with a default, and change none.
"""

import json
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias, TypeVar, cast

Reply: TypeAlias = tuple[object, ...]
"""Any of these."""

R = TypeVar("R", bound=Reply)
R_co = TypeVar("R_co", bound=Reply, covariant=True)


def restored(reply: type[R], text: str) -> R:
    """Return a reply of this class from the JSON array of its fields; those that are missing at the end have their defaults."""
    return cast("Callable[..., R]", reply)(*json.loads(text))


class NoReply(NamedTuple):
    """The command took effect, and has no further result."""


class GroupChange(NamedTuple):
    """A group was changed by event `seq`; 0 where nothing had to be changed."""

    group_id: int
    seq: int


class GroupAddition(NamedTuple):
    """People were added to a group by event `seq` (0: nobody was), and those in `invited` are asked first."""

    group_id: int
    seq: int
    invited: Sequence[int] = ()


class DirectGroup(NamedTuple):
    """The group of a conversation of two."""

    group_id: int


class GroupEntry(NamedTuple):
    """A user entered a group of this name by event `seq`, or (`waiting`) asked to."""

    group_id: int
    name: str
    seq: int
    waiting: bool


class GroupSuccession(NamedTuple):
    """A group whose owner was disabled has this owner now; 0 and "" where nobody in it is enabled."""

    group_id: int
    name: str
    members: int
    owner_id: int
    owner: str


class StoredMessage(NamedTuple):
    """A message and its place in the sequence and count of its group."""

    group_id: int
    seq: int
    id: int
    ordinal: int
    sent_at: int


class StoredInvite(NamedTuple):
    """A code that lets people into a group; `max_uses` 0 is any number."""

    code: str
    made_by: int
    maker: str
    made_at: int
    expires_at: int
    max_uses: int
    uses: int


class PacketCommitment(NamedTuple):
    """A red packet is prepared: `commitment` in hexadecimal digits, and until when it can be sent."""

    packet_id: int
    commitment: str
    lapses_at: int


class StoredPacket(NamedTuple):
    """A red packet was sent, with its message: the fields of StoredMessage, and its id."""

    group_id: int
    seq: int
    id: int
    ordinal: int
    sent_at: int
    packet_id: int


class PaidShare(NamedTuple):
    """The share of a user who opened a red packet: which opening it was, and how many are left."""

    packet_id: int
    cents: int
    number: int
    left: int


class ExpiredPacket(NamedTuple):
    """A red packet is over; `balance` is the sender's after the refund, None where it was over before."""

    balance: int | None


class MoneyGrant(NamedTuple):
    """Money was put into a wallet, which then held `balance` cents."""

    user_id: int
    balance: int


class MoneyWithdrawal(NamedTuple):
    """Money was set aside for a payout; the wallet then held `balance` cents."""

    withdrawal_id: int
    balance: int
