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
    """What a client does in one group, named by its id. Making a handle asks the server nothing.

    Changes have one effect each, over any number of connections. All methods raise RequestRefused and the client's
    other errors; a cancel leaves open whether a change takes effect.
    """
