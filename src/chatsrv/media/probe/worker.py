"""Worker side of the probe: a warm process that forks a confined child for each file. `python -m` runs it.

    parent ──socket: one line of JSON, with two file descriptors──> this process ──fork──> child
      <──socket: the child's exit status, one line──────────────────────┘                    │
      <──pipe: the reply (`facts.parse_reply`)───────────────────────────────────────────────┘

Pillow and PyAV take some 0.3 s to import, a fork some milliseconds: so the imports are paid once, and still each file
gets a process of its own, with limits of its own, which nothing survives.

The child can open nothing: it holds the file (read-only) and the pipe, and its limit of open files is zero, so that no
file, socket or program is within reach of code that a decoder was talked into, with no privilege needed for it. Memory,
CPU time, wall time, file size and core dumps are limited as well, and it dies with its parent.
"""

import base64
import ctypes
import json
import os
import resource
import signal
import socket
import struct
import sys
from pathlib import Path
from typing import IO, Final

from chatsrv.media.errors import MediaCode, MediaError
from chatsrv.media.probe.facts import MAX_PIECES, ProbeLimits
from chatsrv.media.probe.sniff import NO_DECODER

# Bytes of address space beyond what the warm process has. Measured: 50 megapixels take up to 574 MiB as PNG and 789 MiB as
# WebP; 250 megapixels of JPEG take 32 MiB, and 729 MiB if they are progressive. What does not fit goes without a preview.
MEMORY: Final = 832 * 1024 * 1024
CPU_SECONDS: Final = 20
# The kernel ends the child; the parent waits a little longer, and then ends the whole worker.
WALL_SECONDS: Final = 30
_MAX_REQUEST: Final = 256
_UNREADABLE: Final = (ValueError, IndexError, struct.error, MemoryError)
"""What looking for metadata raises for a file whose structure makes no sense."""
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38
FILM_DECODER: Final = "mp4"
"""Films and sound in MP4 and QuickTime, whose metadata is known."""
IMAGE_DECODERS: Final = frozenset({"PNG", "JPEG", "GIF", "WEBP", "AVIF"})


def main() -> None:
    """Serve requests from the socket on standard input until it is closed; one at a time."""
    from chatsrv.media.probe.preload import preload  # here, because the parent imports this module too

    preload()
    with socket.socket(fileno=0) as control:
        control.sendall(b"ready\n")
        while True:
            request, fds, _, _ = socket.recv_fds(control, _MAX_REQUEST, 2)
            if not request:
                return
            child = os.fork()
            if child == 0:
                control.close()
                _run_child(request, *fds)
            for fd in fds:
                os.close(fd)
            control.sendall(b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def confine(memory: int = MEMORY, cpu_seconds: int = CPU_SECONDS, wall_seconds: float = WALL_SECONDS) -> None:
    """Take from this process, for good, what a decoder does not need. See the module's first lines."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        memory += int(Path("/proc/self/statm").read_bytes().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    os.nice(10)  # the chat goes first
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, wall_seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def reply_to(decoder: str, file: IO[bytes], limits: ProbeLimits) -> bytes:
    """Return the reply for one file: what it is, or why not."""
    from chatsrv.media.probe import preview_av, preview_image  # as above

    try:
        kept = _kept(decoder, file)
    except _UNREADABLE:
        kept = dict[str, object]()
        if decoder in IMAGE_DECODERS:  # decoders may show it, but what it says of its maker could not be taken out
            return _line({"refused": MediaCode.BROKEN})
    if decoder == NO_DECODER:
        return _line({"refused": MediaCode.UNSUPPORTED, **kept})
    try:
        facts = preview_image.image_facts if decoder in IMAGE_DECODERS else preview_av.av_facts
        header, attached = facts(file, decoder, limits)
    except MediaError as error:
        return _line({"refused": error.code, **kept})
    except MemoryError:
        return _line({"refused": MediaCode.TOO_COSTLY, **kept})
    except Exception:  # noqa: BLE001  # hostile bytes make decoders raise anything
        return _line({"refused": MediaCode.BROKEN, **kept})
    return _line({**header, **kept}) + attached


def _kept(decoder: str, file: IO[bytes]) -> dict[str, object]:
    """Return what a reply says of the file without its metadata; nothing for one that has none. Raises _UNREADABLE."""
    from chatsrv.media.probe.metadata import kept_pieces
    from chatsrv.media.probe.metadata_mp4 import film_pieces

    if decoder not in (*IMAGE_DECODERS, FILM_DECODER, NO_DECODER):
        return {}
    try:
        pieces = film_pieces(file) if decoder == FILM_DECODER else kept_pieces(file.read(), decoder)
        if len(pieces) > MAX_PIECES:
            raise ValueError("too many pieces")
    finally:
        file.seek(0)
    return {"kept": [base64.b64encode(each).decode() if isinstance(each, bytes) else each for each in pieces]}


def _line(header: dict[str, object]) -> bytes:
    return json.dumps(header).encode() + b"\n"


def _run_child(request: bytes, source: int, answer: int) -> None:
    """Answer one request and leave the process. Never returns, whatever happens: a child that did would serve."""
    try:
        confine()
        with os.fdopen(source, "rb") as file:
            asked = json.loads(request)
            reply = reply_to(asked["decoder"], file, ProbeLimits(**asked["limits"]))
        while reply:
            reply = reply[os.write(answer, reply) :]
        os._exit(0)
    finally:
        os._exit(1)


if __name__ == "__main__":
    main()
