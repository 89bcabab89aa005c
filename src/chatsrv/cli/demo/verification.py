"""The proof at the end of a demo: what each device was told, against what the server has stored."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from chatsrv.cli.demo.people import DemoPerson
from chatsrv.cli.errors import Failure
from chatsrv_protocol import UnknownEvent

if TYPE_CHECKING:
    from chatsrv.client.events import SequenceEvent


async def verify_heard(groups: Mapping[str, int], devices: Sequence[DemoPerson]) -> int:
    """Compare what everybody heard with what is stored in these groups (ids by name); answers how many events.

    Everybody has to have heard the events of the time of their membership, in their order, without gap or double, and
    none from their removal on. Raises Failure that names who did not.
    """
    total = 0
    for name, group_id in groups.items():
        reader = next(
            person for person in devices if person.begins_at.get(group_id, 2) <= 1 and group_id not in person.gone_at
        )
        stored: list[SequenceEvent] = []
        while True:
            events, page = await reader.client.group(group_id).history(after=len(stored))
            stored.extend(events)
            if not page.more:
                break
        if [event.seq for event in stored] != list(range(1, len(stored) + 1)):
            raise Failure(f"the sequence of '{name}' has a gap")
        for person in devices:
            if group_id in person.begins_at:
                _compare(person, name, stored, person.heard.get(group_id, []))
        total += len(stored)
    return total


def _compare(person: DemoPerson, group: str, stored: "list[SequenceEvent]", heard: "list[SequenceEvent]") -> None:
    begin = person.begins_at[stored[0].group_id]
    end = person.gone_at.get(stored[0].group_id, len(stored) + 1)
    expected = [event for event in stored if begin <= event.seq < end]
    if [_identity(event) for event in heard] != [_identity(event) for event in expected]:
        raise Failure(f"{person.name} heard {len(heard)} events of '{group}', and should have heard {len(expected)}")


def _identity(event: "SequenceEvent") -> tuple[str, int, int, int]:
    """What makes two copies of an event the same; words may have been corrected since it was heard."""
    assert not isinstance(event, UnknownEvent), "the demo's server is of this version"
    return type(event).__name__, event.seq, event.id, event.sender_id
