"""What devices do to groups: who is in, who may what, ways in, conversations of two, and meeting face to face."""

from typing import Final

from chatsrv.client import Client
from simulation.town import Device, Operation

CODES: Final = ("1234", "5678", "0007")


async def _invite(device: Device, client: Client) -> None:
    group_id = device.group()
    invite = await client.group(group_id).create_invite(max_uses=device.chance.randint(0, 3))
    device.town.codes.append((group_id, invite.code))


async def _join(device: Device, client: Client) -> None:
    group_id, code = device.one_of(device.town.codes[-6:])
    entered = await client.groups.join(code, "may I?")
    assert entered.group_id == group_id
    if entered.waiting:
        device.town.asking.append((group_id, device.user_id))


async def _decide(device: Device, client: Client) -> None:
    """Somebody who asked and still waits, where I may decide; else anybody."""
    mine = set(device.follows())
    for group_id, user_id in device.town.asking[-12:]:
        if group_id in mine and device.flip(0.7):
            await client.group(group_id).decide_join(user_id, accept=device.flip(0.7))
            if (group_id, user_id) in device.town.asking:
                device.town.asking.remove((group_id, user_id))
            return
    await client.group(device.group()).decide_join(device.somebody(), accept=True)


async def _revoke(device: Device, client: Client) -> None:
    group_id, code = device.one_of(device.town.codes[-6:])
    await client.group(group_id).revoke_invite(code)


async def _rules(device: Device, client: Client) -> None:
    rules = {"approval": device.flip(0.7), "keep_edits": device.flip(0.7), "history": device.flip(0.7), "invite": 1}
    await client.group(device.group()).set_rules(**rules)


async def _muted(device: Device, client: Client) -> None:
    """Mute and soon unmute: else everybody is silent at last."""
    group_id, user_id = device.group(), device.somebody()
    if device.flip(0.3):
        await client.group(group_id).mute(user_id)
    else:
        await client.group(group_id).unmute(user_id)


async def _ban(device: Device, client: Client) -> None:
    group_id, user_id = device.group(), device.somebody()
    await client.group(group_id).ban(user_id, client.server_time() + 60_000)
    device.town.banned.append((group_id, user_id))


async def _unban(device: Device, client: Client) -> None:
    banned = device.town.banned[-3:]
    group_id, user_id = device.chance.choice(banned) if banned else (device.group(), device.somebody())
    await client.group(group_id).unban(user_id)


async def _dissolve(device: Device, client: Client) -> None:
    if len(device.town.groups) > 6 or device.flip(0.1):
        await client.group(device.one_of(device.town.groups[:-4])).dissolve()


async def _accept(device: Device, client: Client) -> None:
    """Come in where I am asked to; else try a group of the town."""
    waiting = await client.groups.list_invitations()
    await client.groups.accept_invitation(waiting[0].group_id if waiting else device.group())


async def _ignore(device: Device, client: Client) -> None:
    waiting = await client.groups.list_invitations()
    await client.groups.ignore_invitation(waiting[-1].group_id if waiting else device.group())


async def _dissolve_any(device: Device, client: Client) -> None:
    if len(device.town.groups) > 6 or device.flip(0.1):
        await client.operator.dissolve_any_group(device.one_of(device.town.groups[:-4]))


async def _direct(device: Device, client: Client) -> None:
    group = await client.groups.open_direct(device.somebody())
    if group.group_id not in device.town.groups:
        device.town.groups.insert(0, group.group_id)


async def _face_to_face(device: Device, client: Client) -> None:
    """Wait under a code, look who is there, and enter the group."""
    await client.face_to_face.enter_code(device.chance.choice(CODES), (48.2, 16.37))
    await client.face_to_face.show_lobby()
    entered = await client.face_to_face.enter_group()
    if entered.group_id not in device.town.groups:
        device.town.groups.append(entered.group_id)


async def _leave_lobby(device: Device, client: Client) -> None:
    """Wait under a code, and leave. Half of the time without having waited: then more of what is under way is the leaving."""
    if device.flip(0.5):
        await client.face_to_face.enter_code(device.chance.choice(CODES), (48.2, 16.37))
    await client.face_to_face.leave_lobby()


OPERATIONS: Final[dict[str, Operation]] = {
    "add": Operation(3, lambda device, client: client.group(device.group()).add_members([device.somebody()])),
    "remove": Operation(1.5, lambda device, client: client.group(device.group()).remove_member(device.somebody())),
    "leave": Operation(1, lambda device, client: client.group(device.group()).leave()),
    "rename": Operation(1, lambda device, client: client.group(device.group()).rename(f"n{device.chance.random()}")),
    "role": Operation(
        1, lambda device, client: client.group(device.group()).set_role(device.somebody(), device.chance.choice([1, 2]))
    ),
    "hand_over": Operation(0.5, lambda device, client: client.group(device.group()).hand_over(device.somebody())),
    "rules": Operation(1, _rules),
    "mute": Operation(1, _muted),
    "ban": Operation(0.5, _ban),
    "unban": Operation(0.7, _unban),
    "bans": Operation(0.3, lambda device, client: client.group(device.group()).bans()),
    "nickname": Operation(0.5, lambda device, client: client.group(device.group()).set_nickname(device.name)),
    "notice": Operation(0.5, lambda device, client: client.group(device.group()).set_notice(f"read {device.name}")),
    "show_group": Operation(0.5, lambda device, client: client.group(device.group()).notice()),
    "invite": Operation(1.5, _invite),
    "invites": Operation(0.3, lambda device, client: client.group(device.group()).invites()),
    "revoke": Operation(0.3, _revoke),
    "join": Operation(2, _join),
    "asking": Operation(0.3, lambda device, client: client.group(device.group()).join_requests()),
    "decide": Operation(1, _decide),
    "dissolve": Operation(0.3, _dissolve),
    "invitations": Operation(0.3, lambda _, client: client.groups.list_invitations()),
    "accept": Operation(1, _accept),
    "ignore": Operation(1, _ignore),
    "added": Operation(0.3, lambda _, client: client.groups.list_added()),
    "leave_many": Operation(0.3, lambda device, client: client.groups.leave([device.group()])),
    "accounts": Operation(0.2, lambda device, client: client.operator.list_accounts(device.name[:2])),
    "audit": Operation(0.2, lambda _, client: client.operator.list_audit()),
    "report_person": Operation(
        0.3, lambda device, client: client.people.report(device.somebody(), f"rude {device.chance.random()}")
    ),
    "reports": Operation(0.2, lambda device, client: client.operator.list_reports(closed=device.flip(0.3))),
    "close_report": Operation(0.3, lambda device, client: client.operator.close_report(device.chance.randint(1, 5))),
    "figures": Operation(0.2, lambda _, client: client.operator.figures()),
    "all_groups": Operation(0.3, lambda _, client: client.operator.list_all_groups()),
    "appoint": Operation(0.3, lambda device, client: client.operator.appoint_owner(device.group(), device.somebody())),
    "dissolve_any": Operation(0.2, _dissolve_any),
    "direct": Operation(0.7, _direct),
    "face_to_face": Operation(0.5, _face_to_face),
    "leave_lobby": Operation(0.3, _leave_lobby),
    "groups": Operation(1, lambda _, client: client.groups.list()),
    "members": Operation(1, lambda device, client: client.group(device.group()).members()),
}
"""Weights are those of a lively town: who is removed mostly comes back."""
