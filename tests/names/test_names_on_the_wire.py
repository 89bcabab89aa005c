"""Every name that a command lets somebody choose, against every kind of bad name; and no field of a command without an answer."""

from collections.abc import Callable

import attrs
import pytest
from support.server_kit import Client, RefusedError, connect, enter

from chatsrv.testing import open_test_server
from chatsrv_protocol import BY_NUMBER, is_command
from chatsrv_protocol.errors import ProtocolError
from chatsrv_protocol.fields import FieldType, ListOf, Optional, String
from chatsrv_protocol.governing import SetNickname
from chatsrv_protocol.groups import MakeGroup, RenameGroup
from chatsrv_protocol.presence import SetProfile
from chatsrv_protocol.session import Register

ACCOUNT, TITLE, NICKNAME = "account name", "title", "nickname"

CHOSEN = {
    ("Register", "name"): ACCOUNT,
    ("MakeGroup", "name"): TITLE,
    ("RenameGroup", "name"): TITLE,
    ("SetNickname", "nickname"): NICKNAME,
    ("SetProfile", "nickname"): NICKNAME,
}
"""Names under which others see somebody or something."""

NOT_CHOSEN = {
    "labels that only their owner and admins read": {
        *(("Hello", "agent"), ("Register", "device"), ("Login", "device"), ("JoinGroup", "note")),
    },
    "names of who exists": {
        *(("Login", "name"), ("FindPeople", "names"), ("EnableUser", "name"), ("ResetPassword", "name")),
        ("GrantMoney", "name"),
        ("ListAccounts", "part"),
    },
    "a file's name, of ASCII letters and digits": {("Backup", "name")},
    "secrets": {
        *(("Register", "password"), ("Login", "password"), ("ResetPassword", "password")),
        *(("ChangePassword", "old"), ("ChangePassword", "new")),
    },
    "an address of a push service": {("SubscribePush", "endpoint")},
    "what operators read": {("ReportMessage", "reason"), ("ReportPerson", "reason"), ("CloseReport", "note")},
    "codes": {("RevokeInvite", "code"), ("JoinGroup", "code"), ("EnterCode", "code")},
    "speech": {
        *(("Send", "text"), ("Edit", "text"), ("SetNotice", "text"), ("SendPacket", "greeting")),
        *(("SendMedia", "caption"), ("React", "emoji"), ("Search", "query")),
    },
}

BAD = {
    "default-ignorable": ("a\u034fb", {ACCOUNT, TITLE, NICKNAME}),
    "a variation selector that selects nothing": ("ann\ufe0f", {ACCOUNT, TITLE, NICKNAME}),
    "a tag": ("ann\U000e0041", {ACCOUNT, TITLE, NICKNAME}),
    "a blank glyph": ("\u2800", {ACCOUNT, TITLE, NICKNAME}),
    "a blank letter": ("ann\u115f", {ACCOUNT, TITLE, NICKNAME}),
    "white space": ("   ", {ACCOUNT, TITLE, NICKNAME}),
    "a direction": ("a\u202eb", {ACCOUNT, TITLE, NICKNAME}),
    "a leading mark": ("\u0301ann", {ACCOUNT, TITLE, NICKNAME}),
    "a pile of marks": ("a" + "\u0301" * 5, {ACCOUNT, TITLE, NICKNAME}),
    "mixed scripts": ("p\u0430ypal", {ACCOUNT, TITLE, NICKNAME}),
    "nothing assigned": ("ann\u0378", {ACCOUNT, TITLE, NICKNAME}),
    "digits that are an id": ("1234567890", {ACCOUNT, TITLE, NICKNAME}),
    "another's account name": ("bob", {ACCOUNT, NICKNAME}),
    "another's account name in other letters": ("ＢｏＢ", {ACCOUNT, NICKNAME}),
    "a word for the server": ("System", {ACCOUNT, TITLE, NICKNAME}),
    "everybody": ("所有人", {ACCOUNT, NICKNAME}),
}
"""Bad names and what may not be called so. A group may be named like a person: it is found by `NAME`, people by `@NAME`."""

COMMANDS: dict[tuple[str, str], Callable[[Client, int, str], object]] = {
    ("Register", "name"): lambda client, group_id, name: Register(name, "a long password", ""),
    ("MakeGroup", "name"): lambda client, group_id, name: MakeGroup(client.new_id(), name, (), history=True),
    ("RenameGroup", "name"): lambda client, group_id, name: RenameGroup(client.new_id(), group_id, name),
    ("SetNickname", "nickname"): lambda client, group_id, name: SetNickname(client.new_id(), group_id, name),
    ("SetProfile", "nickname"): lambda client, group_id, name: SetProfile(nickname=name),
}


def strings() -> set[tuple[str, str]]:
    """Every string in a command, in lists and optional ones too."""

    def holds_string(of: FieldType) -> bool:
        return isinstance(of, String) or (isinstance(of, ListOf | Optional) and holds_string(of.of))

    return {
        (kind.__name__, each.name)
        for number, kind in BY_NUMBER.items()
        if is_command(number)
        for each in attrs.fields(kind)
        if holds_string(each.metadata["wire"])
    }


def test_every_string_of_a_command_is_a_name_or_is_none() -> None:
    others = [pair for pairs in NOT_CHOSEN.values() for pair in pairs]
    assert sorted(strings()) == sorted([*CHOSEN, *others]), "say what a new string is: a name has rules"
    assert COMMANDS.keys() == CHOSEN.keys()


@pytest.mark.parametrize("place", CHOSEN, ids=".".join)
async def test_no_bad_name_is_accepted_where_others_see_it(place: tuple[str, str], autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await ann.make_group("home", bob)
        answers: dict[str, str] = {}
        for kind, (name, _) in BAD.items():
            client = ann
            if place[0] == "Register":
                client = await connect(server)
                await client.hello()
            try:
                await client.ask(COMMANDS[place](client, group_id, name))
                answers[kind] = "accepted"
            except RefusedError as refused:
                answers[kind] = refused.code
            except (
                ProtocolError
            ) as refused:  # no client can say it, and a server that reads it refuses it by the same check
                answers[kind] = refused.code
        accepted = {kind for kind, code in answers.items() if code == "accepted"}
        assert accepted == {kind for kind, (_, refused) in BAD.items() if CHOSEN[place] not in refused}, answers
        assert set(answers.values()) <= {"accepted", "bad_field", "name_taken"}, answers
