"""What devices do to groups: who is in, who may what, ways in, conversations of two, and meeting face to face."""

from typing import Final

from chatsrv.client import Client
from simulation.town import Device, Operation

CODES: Final = ("1234", "5678", "0007")


async def _invite(device: Device, client: Client) -> None:
    group_id = device.group()
    invite = await client.make_invite(group_id, max_uses=device.chance.randint(0, 3))
    device.town.codes.append((group_id, invite.code))


async def _join(device: Device, client: Client) -> None:
    group_id, code = device.one_of(device.town.codes[-6:])
    entered = await client.join_group(code, "may I?")
    assert entered.group_id == group_id
    if entered.waiting:
        device.town.asking.append((group_id, device.user_id))


async def _decide(device: Device, client: Client) -> None:
    """Somebody who asked and still waits, where I may decide; else anybody."""
    mine = set(device.follows())
    for group_id, user_id in device.town.asking[-12:]:
        if group_id in mine and device.flip(0.7):
            await client.decide_join(group_id, user_id, accept=device.flip(0.7))
            if (group_id, user_id) in device.town.asking:
                device.town.asking.remove((group_id, user_id))
            return
    await client.decide_join(device.group(), device.somebody(), accept=True)


async def _revoke(device: Device, client: Client) -> None:
    await client.revoke_invite(*device.one_of(device.town.codes[-6:]))


async def _rules(device: Device, client: Client) -> None:
    rules = {"approval": device.flip(0.7), "keep_edits": device.flip(0.7), "history": device.flip(0.7), "invite": 1}
    await client.set_rules(device.group(), **rules)


async def _muted(device: Device, client: Client) -> None:
    """Mute and soon unmute: else everybody is silent at last."""
    group_id, user_id = device.group(), device.somebody()
    if device.flip(0.3):
        await client.mute_member(group_id, user_id)
    else:
        await client.unmute_member(group_id, user_id)


async def _ban(device: Device, client: Client) -> None:
    group_id, user_id = device.group(), device.somebody()
    await client.ban_user(group_id, user_id, client.server_time() + 60_000)
    device.town.banned.append((group_id, user_id))


async def _unban(device: Device, client: Client) -> None:
    banned = device.town.banned[-3:]
    group_id, user_id = device.chance.choice(banned) if banned else (device.group(), device.somebody())
    await client.unban_user(group_id, user_id)


async def _dissolve(device: Device, client: Client) -> None:
    if len(device.town.groups) > 6 or device.flip(0.1):
        await client.dissolve_group(device.one_of(device.town.groups[:-4]))


async def _direct(device: Device, client: Client) -> None:
    group = await client.open_direct(device.somebody())
    if group.group_id not in device.town.groups:
        device.town.groups.insert(0, group.group_id)


async def _face_to_face(device: Device, client: Client) -> None:
    """Wait under a code, look who is there, and enter the group or leave."""
    await client.enter_code(device.chance.choice(CODES), (48.2, 16.37))
    await client.show_lobby()
    if device.flip(0.3):
        await client.leave_lobby()
        return
    entered = await client.enter_group()
    if entered.group_id not in device.town.groups:
        device.town.groups.append(entered.group_id)


OPERATIONS: Final[dict[str, Operation]] = {
    "add": Operation(3, lambda device, client: client.add_members(device.group(), [device.somebody()])),
    "remove": Operation(1.5, lambda device, client: client.remove_member(device.group(), device.somebody())),
    "leave": Operation(1, lambda device, client: client.leave_group(device.group())),
    "rename": Operation(1, lambda device, client: client.rename_group(device.group(), f"n{device.chance.random()}")),
    "role": Operation(
        1, lambda device, client: client.set_role(device.group(), device.somebody(), device.chance.choice([1, 2]))
    ),
    "hand_over": Operation(0.5, lambda device, client: client.hand_over(device.group(), device.somebody())),
    "rules": Operation(1, _rules),
    "mute": Operation(1, _muted),
    "ban": Operation(0.5, _ban),
    "unban": Operation(0.7, _unban),
    "bans": Operation(0.3, lambda device, client: client.list_bans(device.group())),
    "nickname": Operation(0.5, lambda device, client: client.set_nickname(device.group(), device.name)),
    "notice": Operation(0.5, lambda device, client: client.set_notice(device.group(), f"read {device.name}")),
    "show_group": Operation(0.5, lambda device, client: client.show_notice(device.group())),
    "invite": Operation(1.5, _invite),
    "invites": Operation(0.3, lambda device, client: client.list_invites(device.group())),
    "revoke": Operation(0.3, _revoke),
    "join": Operation(2, _join),
    "asking": Operation(0.3, lambda device, client: client.list_join_requests(device.group())),
    "decide": Operation(1, _decide),
    "dissolve": Operation(0.3, _dissolve),
    "direct": Operation(0.7, _direct),
    "face_to_face": Operation(0.7, _face_to_face),
    "groups": Operation(1, lambda _, client: client.list_groups()),
    "members": Operation(1, lambda device, client: client.members(device.group())),
}
"""Weights are those of a lively town: who is removed mostly comes back."""
