"""The limits of an upload, what a client announces of it, and how a file's name and facts are kept."""

from base64 import b64encode
from typing import Final

import attrs

from chatsrv.media.probe.facts import AudioFacts, Facts, ImageFacts
from chatsrv.media.probe.sniff import Kind
from chatsrv.media.store.names import display_name
from chatsrv_protocol.fields import FORBIDDEN

_UNPLAIN: Final = {code: None for low, high, _ in FORBIDDEN for code in range(low, high + 1)}


@attrs.frozen(slots=True)
class UploadLimits:
    """Bytes of one medium of each kind and of all of one user's; uploads at a time; how long a signed URL is good; and
    whether pictures lose their metadata."""

    image: int
    audio: int
    video: int
    file: int
    quota: int
    uploads: int
    uploads_per_user: int
    url_seconds: float
    strip_metadata: bool = True

    def of(self, kind: Kind | None) -> int:
        """Return the most bytes that a medium of this kind may have; of any kind, if it is not known yet."""
        by_kind = {Kind.IMAGE: self.image, Kind.AUDIO: self.audio, Kind.VIDEO: self.video, Kind.FILE: self.file}
        return max(by_kind.values()) if kind is None else by_kind[kind]


@attrs.frozen(slots=True)
class Announced:
    """What a client announces of an upload. `size` None: not told; `key`: its own name for this upload."""

    name: str
    declared: Kind | None = None
    size: int | None = None
    key: str | None = None


def plain_name(name: str) -> str:
    """Return a file's name as the wire can carry it and anybody may see it."""
    return display_name(name.translate(_UNPLAIN))


def as_json(facts: Facts | None) -> dict[str, object]:
    """Return what the probe found, as the row keeps it."""
    if facts is None:
        return {}
    if isinstance(facts, AudioFacts):
        return {"duration": facts.duration_ms, "waveform": b64encode(facts.waveform).decode()}
    found: dict[str, object] = {"width": facts.width, "height": facts.height, "blurhash": facts.preview.blurhash}
    found["preview"] = b64encode(facts.preview.tiny).decode()
    return found | ({"frames": facts.frames} if isinstance(facts, ImageFacts) else {"duration": facts.duration_ms})
