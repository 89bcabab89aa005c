"""What a device does, and how often: one table of all subjects."""

from typing import Final

from simulation import governing, media, personal, talk
from simulation.town import Operation

OPERATIONS: Final[dict[str, Operation]] = {
    **talk.OPERATIONS,
    **governing.OPERATIONS,
    **personal.OPERATIONS,
    **media.OPERATIONS,
}
