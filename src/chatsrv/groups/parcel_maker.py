"""Turns what a change led to, or what is stored of it, into the parcel that the bus tells."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

from chatsrv.bus.parcels import EventFrame, Item, Joined, Left, Parcel, PersonalFrame, VariedFrame
from chatsrv.groups.wire import event_of, personal_event_of
from chatsrv.log import Log
from chatsrv_protocol import encode
from chatsrv_storage.groups.models import Effect, EventRecord, MemberJoined, MemberLeft, UserEvent, VariedRecord

E = TypeVar("E", bound=Effect)


class ParcelMaker:
    """Encodes events. What cannot be encoded is logged, and told to nobody: it is stored, and who sees the gap fetches it."""

    def __init__(self, log: Log) -> None:
        self.log: Final = log

    def of_effects(self, group_id: int, effects: Sequence[Effect]) -> Parcel:
        """What the effects of a commit, in their order, tell whom."""
        items: list[Item] = []
        first = last = 0
        for effect in effects:
            if isinstance(effect, EventRecord):
                last = effect.seq
                items.append(EventFrame(last, self._encoded(event_of, effect)))
            elif isinstance(effect, VariedRecord):
                last = effect.record.seq
                items.append(self._varied(effect))
            elif isinstance(effect, MemberJoined):
                frame = self._encoded(personal_event_of, effect)
                items.append(Joined(effect.view.seq, effect.user_id, effect.version, frame))
            elif isinstance(effect, MemberLeft):
                items.append(Left(effect.seq, effect.user_id, self._encoded(personal_event_of, effect)))
            else:
                items.append(PersonalFrame(effect.user_id, self._encoded(personal_event_of, effect)))
            first = first or last
        return Parcel(group_id, first, last, items)

    def of_records(self, group_id: int, records: Sequence[EventRecord | VariedRecord], here: Iterable[int]) -> Parcel:
        """What is stored of a group's events, without a gap. `here` are the users who may have to leave its audience.

        Nobody is let in: that they joined says nothing of whether they are still in, but their version does.
        """
        items: list[EventFrame | VariedFrame | Left] = []
        for record in records:
            event = record.record if isinstance(record, VariedRecord) else record
            items += [Left(event.seq, user_id, b"") for user_id in _who_left(event, here)]
            if isinstance(record, VariedRecord):
                items.append(self._varied(record))
            else:
                items.append(EventFrame(event.seq, self._encoded(event_of, event)))
        return Parcel(group_id, items[0].seq, items[-1].seq, items)

    def _varied(self, effect: VariedRecord) -> VariedFrame | EventFrame:
        seq, frame = effect.record.seq, self._encoded(event_of, effect.record)
        variants = [(users, self._encoded(event_of, record)) for users, record in effect.variants]
        if not frame or not all(variant for _, variant in variants):
            return EventFrame(seq, b"")
        return VariedFrame(seq, frame, variants)

    def _encoded(self, make: Callable[[E], object], effect: E) -> bytes:
        try:
            return encode(make(effect))
        except Exception:  # a bug must not end the server
            self.log.exception("an event cannot be told", effect=kind_of(effect))
            return b""


def _who_left(event: EventRecord, here: Iterable[int]) -> Iterable[int]:
    """Whom an event takes out of the audience."""
    if event.kind == "dissolved":
        return here
    if event.kind in ("removed", "banned") and event.data is not None:
        return [event.data["member"][0]]
    return ()


def kind_of(effect: Effect) -> str:
    """What the log says of an effect: never what somebody said."""
    detail = effect.kind if isinstance(effect, (EventRecord, UserEvent)) else ""
    return f"{type(effect).__name__} {detail}".strip()
