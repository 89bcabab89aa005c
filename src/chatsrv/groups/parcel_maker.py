"""Makes the parcel that the bus delivers, from the effects of a change or from stored events."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

from chatsrv.bus.parcels import EventFrame, Item, Joined, Left, Parcel, PersonalFrame, VariedFrame
from chatsrv.groups.wire import encode_event, encode_new_event, encode_personal_event
from chatsrv.log import Log
from chatsrv_protocol import encode
from chatsrv_protocol.common import Lagging
from chatsrv_storage.groups.models import Effect, EventRecord, MemberJoined, MemberLeft, UserEvent, VariedRecord

E = TypeVar("E", bound=Effect)

_ASK: Final = encode(Lagging(1))


class ParcelMaker:
    """Encodes events.

    One that cannot be encoded is logged and not delivered: it is stored, and clients that see the gap fetch it.
    """

    def __init__(self, log: Log) -> None:
        self.log: Final = log

    def of_effects(self, group_id: int, effects: Sequence[Effect]) -> Parcel:
        """Return the parcel of a commit's effects, in their order."""
        items: list[Item] = []
        first = last = 0
        for effect in effects:
            if isinstance(effect, EventRecord):
                last = effect.seq
                items.append(EventFrame(last, self._encoded(encode_new_event, effect)))
            elif isinstance(effect, VariedRecord):
                last = effect.record.seq
                items.append(self._varied(effect))
            elif isinstance(effect, MemberJoined):
                frame = self._encoded(encode_personal_event, effect)
                items.append(Joined(effect.view.seq, effect.user_id, effect.version, frame))
            elif isinstance(effect, MemberLeft):
                items.append(Left(effect.seq, effect.user_id, self._encoded(encode_personal_event, effect)))
            else:
                items.append(PersonalFrame(effect.user_id, self._encoded(encode_personal_event, effect)))
            first = first or last
        return Parcel(group_id, first, last, items)

    def of_records(self, group_id: int, records: Sequence[EventRecord | VariedRecord], here: Iterable[int]) -> Parcel:
        """Return the parcel of stored events of a group, without a gap. `here` are the users who may have to leave its audience.

        No user is added to the audience: that a user joined does not say that they are still in, but their version does. Who
        left is told that something was left out, so that their devices ask for the list of groups.
        """
        items: list[EventFrame | VariedFrame | Left] = []
        for record in records:
            if isinstance(record, VariedRecord):
                items.append(self._varied(record))
                continue
            told = EventFrame(record.seq, self._encoded(encode_event, record))
            if record.kind == "dissolved":
                items += [told, *(Left(record.seq, user_id, _ASK) for user_id in here)]
                continue
            if record.kind in ("removed", "banned") and record.data is not None:
                items.append(Left(record.seq, record.data["member"][0], _ASK))
            items.append(told)
        return Parcel(group_id, items[0].seq, items[-1].seq, items)

    def _varied(self, effect: VariedRecord) -> VariedFrame | EventFrame:
        seq, frame = effect.record.seq, self._encoded(encode_event, effect.record)
        variants = [(users, self._encoded(encode_event, record)) for users, record in effect.variants]
        if not frame or not all(variant for _, variant in variants):
            return EventFrame(seq, b"")
        return VariedFrame(seq, frame, variants)

    def _encoded(self, encoder: Callable[[E], bytes], effect: E) -> bytes:
        try:
            return encoder(effect)
        except Exception:  # a bug must not end the server
            self.log.exception("an event cannot be told", effect=kind_of(effect))
            return b""


def kind_of(effect: Effect) -> str:
    """Return what the log says of an effect: never the text of a message."""
    detail = effect.kind if isinstance(effect, (EventRecord, UserEvent)) else ""
    return f"{type(effect).__name__} {detail}".strip()
