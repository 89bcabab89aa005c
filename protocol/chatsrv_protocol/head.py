"""What every event of a group's sequence begins with: its place, and who caused it when."""

from chatsrv_protocol.fields import GROUP_ID, MESSAGE_ID, NAME, ORDINAL, SEQ, TIME, USER_ID, field
from chatsrv_protocol.registry import head


@head
class SequenceEvent:
    """The head of an event: the first seven fields of its frame, whatever comes after them.

    `seq` has no gaps; `ordinal` is the group's count of what a person would count (text, media, packets) up to and
    including this event; `sender` is the name of the account that caused it.
    """

    group_id: int = field(GROUP_ID)
    seq: int = field(SEQ)
    id: int = field(MESSAGE_ID)
    ordinal: int = field(ORDINAL)
    sender_id: int = field(USER_ID)
    sender: str = field(NAME)
    sent_at: int = field(TIME)
