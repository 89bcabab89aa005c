"""permissions.py: the one function that decides, apart from any group that is stored."""

import attrs
import pytest

from chatsrv_domain.groups import DIRECT, FOREVER, ROLE_ADMIN, ROLE_MEMBER, ROLE_OWNER, Rules
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups.group_state import GroupState, MemberState
from chatsrv_storage.groups.permissions import Operation, Permission, allow, table

GROUP = GroupState("home")
OPERATIONS = list(Operation)


def member(role, **fields):
    return MemberState(role, 0, 0, 0, **fields)


def code(operation, group, who, now_ms=1000, target=None):
    try:
        allow(operation, group, who, now_ms, target)
    except Refusal as refusal:
        return refusal.code
    return "ok"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_strangers_learn_nothing(operation):
    sayings = set[tuple[str, str, str | None]]()
    for group, who in ((None, None), (GROUP, None), (None, member(ROLE_OWNER))):
        with pytest.raises(Refusal) as caught:
            allow(operation, group, who, 0)
        sayings.add((caught.value.code, caught.value.message, caught.value.field))
    assert len(sayings) == 1
    assert sayings.pop()[0] == "group_unknown"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_higher_role_may_whatever_a_lower_one_may(operation):
    for rules in (Rules(), Rules(invite=ROLE_ADMIN, pin=ROLE_MEMBER, mention_all=ROLE_MEMBER, mute_all=True)):
        allowed = [code(operation, GroupState("home", rules=rules), member(role)) == "ok" for role in (1, 2, 3)]
        assert allowed == sorted(allowed)
        assert allowed[2], "the owner may everything that is in the table"


def test_a_right_nobody_thought_about_is_the_owners_alone():
    assert Permission("x") == Permission(
        "x", ROLE_OWNER, direct=False, blocked_by_mute=False, slow_mode_applies=False, needs_higher_role=False
    )


@pytest.mark.parametrize("operation", OPERATIONS)
def test_over_whom(operation):
    for mine in (1, 2, 3):
        for theirs in (1, 2, 3):
            found = code(operation, GROUP, member(mine), target=member(theirs))
            if operation.value.needs_higher_role and theirs >= mine:
                assert found == "forbidden"
            else:
                assert found == code(operation, GROUP, member(mine))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_the_table_prints_is_what_is_decided(operation):
    (row,) = [line for line in table().splitlines() if line.startswith(f"| {operation.value.description} |")]
    cells = [cell.strip() for cell in row.strip("|").split("|")][1:]
    for role, cell in zip((1, 2, 3), cells, strict=False):
        if cell.startswith("by the rule"):
            rule = cell.split("`")[1]
            for least in (1, 2):
                group = GroupState("home", rules=attrs.evolve(Rules(), **{rule: least}))
                assert (code(operation, group, member(role)) == "ok") == (role >= least)
        else:
            assert (code(operation, GROUP, member(role)) == "ok") == cell.startswith("yes")
    pair = GroupState("home", kind=DIRECT)
    assert (code(operation, pair, member(ROLE_MEMBER)) == "ok") == (cells[3] == "yes")
    muted = code(operation, GROUP, member(ROLE_OWNER, muted_until=FOREVER))
    assert muted == ("muted" if cells[4] == "no" else "ok")


def test_a_mute_is_over_when_it_is_over():
    who = member(ROLE_MEMBER, muted_until=1000)
    assert code(Operation.SPEAK, GROUP, who, now_ms=999) == "muted"
    assert code(Operation.SPEAK, GROUP, who, now_ms=1000) == "ok"


def test_slow_mode_is_for_messages_of_members():
    slow = GroupState("home", rules=Rules(slow_mode=2))
    who = member(ROLE_MEMBER, sent_at=1000)
    assert code(Operation.SPEAK, slow, who, now_ms=2999) == "slow_mode"
    assert code(Operation.SPEAK, slow, who, now_ms=3000) == "ok"
    assert code(Operation.SPEAK, slow, who, now_ms=999) == "ok", "a clock set back locks nobody out"
    assert code(Operation.REACT, slow, who, now_ms=1000) == "ok"
    assert code(Operation.SPEAK, slow, member(ROLE_ADMIN, sent_at=1000), now_ms=1000) == "ok"
