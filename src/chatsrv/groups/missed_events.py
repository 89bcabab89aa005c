"""What was missed, encoded: after a restart all members of a group miss the same, so it is read and encoded once.

A range of events is kept under the head of its group, which every catch-up reads anew together with the caller's rights: an
edit, a recall or another message raises the head, on whichever node, and the range is read and encoded again. Only events
that say the same to every reader are kept (history.FoundRange.whole).
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Final

import attrs

from chatsrv.groups.wire import event_of
from chatsrv_protocol import encode
from chatsrv_protocol.codec import between_request_ids, encode_request_id
from chatsrv_storage.messages.history import EventRange, FoundRange

MAX_KEPT_BYTES: Final = 8 * 1024 * 1024
"""Of all ranges together."""

MAX_RANGE_BYTES: Final = 16 * 1024
"""Of one range; a longer one is not kept."""

RANGE_BASE_BYTES: Final = 512
FRAME_BASE_BYTES: Final = 48
"""What keeping a range takes beside its bytes, and what each frame of it does."""


@attrs.frozen(slots=True)
class EncodedRange:
    """The events of a range as frames, but for their request ids."""

    head: int
    count: int
    size: int
    """As history.catch_up counts bytes."""
    pieces: tuple[bytes, ...]
    """See codec.between_request_ids."""

    @property
    def kept_bytes(self) -> int:
        """About how much memory it takes."""
        return sum(map(len, self.pieces)) + RANGE_BASE_BYTES + FRAME_BASE_BYTES * self.count


class MissedEvents:
    """The ranges that were asked for last. Only `finder` may be used by another thread than the event loop's."""

    def __init__(self, max_bytes: int = MAX_KEPT_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[tuple[int, int, int], EncodedRange] = OrderedDict()

    def finder(self, request_id: int) -> Callable[[EventRange], EncodedRange | None]:
        """Return a function that finds what is kept of a range and fits an answer to this request."""
        id_bytes = len(encode_request_id(request_id))
        get = self._kept.get

        def find(wanted: EventRange) -> EncodedRange | None:
            group_id, after, head = wanted
            found = get((group_id, after, id_bytes))
            return found if found is not None and found.head == head else None

        return find

    def frames(self, parts: list[EncodedRange | FoundRange], request_id: int) -> Iterator[bytes]:
        """Encode parts of an answer to a request, in pieces of whole frames; keep what others may ask for too."""
        encoded_id = encode_request_id(request_id)
        for part in parts:
            if isinstance(part, EncodedRange):
                yield encoded_id.join(part.pieces)
                continue
            frames = [encode(event_of(record), request_id) for record in part.records]
            if part.whole is not None:
                self._keep(part.whole, len(encoded_id), part.size, frames)
            yield from frames

    def _keep(self, whole: EventRange, id_bytes: int, size: int, frames: list[bytes]) -> None:
        if sum(map(len, frames)) > MAX_RANGE_BYTES:
            return
        key = whole.group_id, whole.after, id_bytes
        self._drop(key)
        encoded = EncodedRange(whole.head, len(frames), size, between_request_ids(frames))
        self._kept[key] = encoded
        self._bytes += encoded.kept_bytes
        while self._bytes > self._max_bytes:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: tuple[int, int, int]) -> None:
        dropped = self._kept.pop(key, None)
        if dropped is not None:
            self._bytes -= dropped.kept_bytes
