"""A request's body as it arrives, under a read deadline that a trickle of bytes does not extend."""

from typing import Final

import trio
from starlette.types import Receive

from chatsrv.media.errors import MediaCode, MediaError

PROGRESS: Final = 16 * 1024
"""So many bytes have to arrive in each stretch of the stall timeout: 0.5 KiB/s at 30 seconds, which no network is."""


class RequestBody:
    """An async iterator of pieces. MediaError: UPLOAD_STALLED, or UPLOAD_CUT where the peer is gone.

    Only the time spent waiting for the peer counts; what the disk takes is not the peer's fault.
    """

    def __init__(self, receive: Receive, stall_seconds: float) -> None:
        self._receive = receive
        self._stall = stall_seconds
        self._left = stall_seconds
        self._progress = 0
        self._ended = False

    def __aiter__(self) -> "RequestBody":
        return self

    async def __anext__(self) -> bytes:
        while not self._ended:
            began = trio.current_time()
            try:
                with trio.fail_after(self._left):
                    message = await self._receive()
            except trio.TooSlowError as error:
                raise MediaError(MediaCode.UPLOAD_STALLED) from error
            if message["type"] == "http.disconnect":
                raise MediaError(MediaCode.UPLOAD_CUT)
            piece: bytes = message.get("body", b"")
            self._ended = not message.get("more_body", False)
            self._left -= trio.current_time() - began
            self._progress += len(piece)
            if self._progress >= PROGRESS:
                self._left, self._progress = self._stall, 0
            if piece:
                return piece
        raise StopAsyncIteration
