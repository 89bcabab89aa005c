"""One group of a client: `client.group(group_id)`."""

from chatsrv.client.commands.conversation import ConversationCommands
from chatsrv.client.commands.governing import GoverningCommands
from chatsrv.client.commands.group_media import GroupMediaCommands
from chatsrv.client.commands.group_presence import GroupPresenceCommands
from chatsrv.client.commands.membership import MembershipCommands
from chatsrv.client.commands.messages import MessageCommands


class GroupHandle(
    MessageCommands,
    ConversationCommands,
    MembershipCommands,
    GoverningCommands,
    GroupMediaCommands,
    GroupPresenceCommands,
):
    """The commands about one group, which its id names: `client.group(group_id)`. Making a handle sends nothing.

    Each change takes effect once, however many connections it needs. Every method raises RequestRefused (the codes that are
    its own stand in its docstring) and the other errors of `Client`; a cancel leaves open whether a change takes effect.
    """
