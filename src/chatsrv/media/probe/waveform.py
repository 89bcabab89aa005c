"""Worker side: the waveform of a sound, decoded with PyAV. Runs in a confined process only (`probe.worker`).

Samples are placed by their timestamps: where a recording pauses (browsers write pauses as gaps), the bars show silence.
"""

from array import array
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import av
import av.error
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.packet import Packet
from av.stream import Stream

from chatsrv.media.probe.facts import WAVEFORM_BARS

# Peaks need no more than this; one bar of a minute of sound is 7,500 samples.
_RATE: Final = 8000
_CHUNK: Final = 400  # samples a peak is taken of first: 50 ms
# Decoded whole up to here: an hour takes 6 (AAC) to 8 s (MP3) of CPU time; longer sound has no waveform.
MAX_DECODED_MS: Final = 3600 * 1000
_MAX_SAMPLES: Final = MAX_DECODED_MS * _RATE // 1000
# A timestamp this far ahead of the samples is a pause; less is the rounding of containers that count milliseconds.
_PAUSE_SECONDS: Final = 0.1
_SILENCE: Final = array("h", bytes(2 * _CHUNK))


class Waveform:
    """The peaks of one stream, whose packets are added in order."""

    def __init__(self) -> None:
        self.samples = 0
        """Taken so far, pauses included, at 8,000 a second."""
        self._peaks: list[int] = []
        self._pending = array("h")
        self._format: tuple[str, str, int] | None = None
        self._resampler: AudioResampler | None = None
        self._began: float | None = None

    def add(self, packet: "Packet[Stream]") -> bool:
        """Decode a packet; False once the sound is longer than MAX_DECODED_MS. A packet that does not decode is left
        out: tags in the middle of an MP3 are among them.
        """
        try:
            frames = [frame for frame in packet.decode() if isinstance(frame, AudioFrame)]
        except av.error.InvalidDataError:
            return True
        return all(self._take(part) for frame in frames for part in self._parts(frame))

    def bars(self) -> bytes:
        """Return WAVEFORM_BARS peaks of equal stretches, a byte each; fewer are stretched. Call it at the end.

        Empty without any sample.
        """
        for part in self._resampled(None):
            self._take(part)
        if self._pending:
            self._peaks.append(_peak(self._pending))
        count = len(self._peaks)
        edges = [bar * count // WAVEFORM_BARS for bar in range(WAVEFORM_BARS + 1)]
        return bytes(max(self._peaks[low : max(low + 1, high)]) for low, high in pairwise(edges) if count)

    def _parts(self, frame: AudioFrame) -> Iterator["array[int]"]:
        """Yield the frame as 16-bit mono at _RATE, after the silence that its timestamp leaves before it."""
        if frame.time is not None:
            self._began = frame.time if self._began is None else self._began
            ahead = frame.time - self._began - self.samples / _RATE
            if ahead > _PAUSE_SECONDS:
                for _ in range(int(min(ahead * _RATE, _MAX_SAMPLES)) // _CHUNK + 1):
                    yield _SILENCE
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if shape != self._format:  # chained recordings may change it on the way
            yield from self._resampled(None)
            self._format = shape
            self._resampler = AudioResampler(format="s16", layout="mono", rate=_RATE)
        yield from self._resampled(frame)

    def _resampled(self, frame: AudioFrame | None) -> Iterator["array[int]"]:
        if self._resampler is not None:
            for small in self._resampler.resample(frame):
                yield array("h", bytes(small.planes[0])[: 2 * small.samples])

    def _take(self, part: "array[int]") -> bool:
        self.samples += len(part)
        self._pending.extend(part)
        whole = len(self._pending) - len(self._pending) % _CHUNK
        self._peaks += [_peak(self._pending[at : at + _CHUNK]) for at in range(0, whole, _CHUNK)]
        del self._pending[:whole]
        return self.samples <= _MAX_SAMPLES


def _peak(pcm: "array[int]") -> int:
    return min(255, max(abs(max(pcm)), abs(min(pcm))) * 255 // 32767)
