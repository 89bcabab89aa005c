"""What scripts answer survives being stored, in this version's form and in the forms that are in databases already."""

import json
from collections.abc import Sequence
from typing import get_type_hints

import pytest

from chatsrv_storage import replies
from chatsrv_storage.replies import Reply, restored

CLASSES: list[type[Reply]] = [
    each
    for each in vars(replies).values()
    if isinstance(each, type) and issubclass(each, tuple) and each.__module__ == replies.__name__
]

VALUES = {int: 2**62 + 1, str: "naïve \N{GRINNING FACE}", bool: True, int | None: None, Sequence[int]: [3, 4]}


@pytest.mark.parametrize("reply", CLASSES, ids=lambda each: each.__name__)
def test_a_stored_reply_comes_back_as_it_was(reply: type[Reply]) -> None:
    made = reply(*[VALUES[of] for of in get_type_hints(reply).values()])  # type: ignore[call-arg]
    back = restored(reply, json.dumps(made))
    assert type(back) is reply
    assert back == made


@pytest.mark.parametrize(
    ("reply", "stored"),
    [
        (replies.NoReply, "[]"),
        (replies.GroupChange, "[5,7]"),
        (replies.GroupAddition, "[5,7,[3,4]]"),
        (replies.GroupSuccession, '[5,"home",3,4,"ann"]'),
        (replies.StoredMessage, "[5,7,9,3,1790000000000]"),
        (replies.GroupEntry, '[5,"home",7,false]'),
        (replies.StoredInvite, '["code",1,"ann",2,3,0,0]'),
        (replies.PacketCommitment, '[9,"00ff",3]'),
        (replies.StoredPacket, "[5,7,9,3,1790000000000,11]"),
        (replies.PaidShare, "[11,40,0,3]"),
        (replies.MoneyGrant, "[1,500]"),
        (replies.MoneyWithdrawal, "[12,400]"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_the_stored_form_of_a_reply_does_not_change(reply: type[Reply], stored: str) -> None:
    """Retries after an upgrade find what the version before wrote."""
    assert json.dumps(restored(reply, stored), separators=(",", ":")) == stored
