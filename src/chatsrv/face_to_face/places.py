"""Places, and which of them are near each other: positions by geohash cells and distance, else networks.

Two positions match within `RADIUS` metres. To find the lobbies near a position without looking at all of them, each
stands under the geohash cell of its founder (7 characters: 0.00137 degrees, 153 m from south to north, and 153 m times
the cosine of the latitude from west to east), and a search looks into every cell that a box of `RADIUS` around the
position touches: at most 4 up to a latitude of 49 degrees, 6 up to 70. Beyond 89 degrees, where cells shrink to nothing, the whole
cap is one cell. Everything here is a pure function.
"""

import ipaddress
import math
from typing import Final, Literal, TypeAlias

import attrs

RADIUS: Final = 50.0
"""Metres from a lobby's founder within which people are admitted."""

EARTH: Final = 6_371_008.8
"""Mean radius in metres. The ellipsoid differs from this sphere by up to 0.56 %: 28 cm at 50 m, less than any device knows."""

MILLION: Final = 1_000_000
LAT_BITS: Final = 17
LON_BITS: Final = 18
CAP: Final = 89 * MILLION
_ROWS: Final = 1 << LAT_BITS
_COLUMNS: Final = 1 << LON_BITS
_ALPHABET: Final = "0123456789bcdefghjkmnpqrstuvwxyz"

assert (LAT_BITS + LON_BITS) % 5 == 0, "cells are whole characters of a geohash"


@attrs.frozen(slots=True)
class Point:
    """A position in millionths of a degree."""

    lat: int
    lon: int


@attrs.frozen(slots=True)
class Network:
    """A network address that people share."""

    key: str


Place: TypeAlias = Point | Network

Without: TypeAlias = Literal["private", "any", "off"]
"""Which clients may do without a position: those on loopback and private networks, all, none."""


def metres(one: Point, other: Point) -> float:
    """Return the great-circle distance in metres, by the haversine formula, which is exact for small distances."""
    lat1, lat2 = math.radians(one.lat / MILLION), math.radians(other.lat / MILLION)
    half_lat = (lat2 - lat1) / 2
    half_lon = math.radians((other.lon - one.lon) / MILLION) / 2
    part = math.sin(half_lat) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin(half_lon) ** 2
    return 2 * EARTH * math.asin(min(1.0, math.sqrt(part)))


def _row(lat: int) -> int:
    return min((lat + 90 * MILLION) * _ROWS // (180 * MILLION), _ROWS - 1)


def _column(lon: int) -> int:
    return (lon + 180 * MILLION) * _COLUMNS // (360 * MILLION) % _COLUMNS


def geohash(row: int, column: int) -> str:
    """Return the name of a cell: bits of longitude and latitude in turn, five to a character."""
    bits = 0
    for at in range(LON_BITS):
        bits = bits << 1 | column >> (LON_BITS - 1 - at) & 1
        if at < LAT_BITS:
            bits = bits << 1 | row >> (LAT_BITS - 1 - at) & 1
    return "".join(_ALPHABET[bits >> shift & 31] for shift in range(LAT_BITS + LON_BITS - 5, -1, -5))


def cell_of(place: Place) -> str:
    """Return the cell under which a lobby of this place is found."""
    if isinstance(place, Network):
        return f"net:{place.key}"
    if abs(place.lat) > CAP:
        return "north" if place.lat > 0 else "south"
    return geohash(_row(place.lat), _column(place.lon))


def cells_near(place: Place) -> list[str]:
    """Return every cell in which a place that matches this one can be."""
    if isinstance(place, Network):
        return [cell_of(place)]
    angle = RADIUS / EARTH
    reach = math.ceil(math.degrees(angle) * MILLION) + 1
    low, high = place.lat - reach, place.lat + reach
    cells = [*(["north"] if high > CAP else []), *(["south"] if low < -CAP else [])]
    low, high = max(low, -CAP), min(high, CAP)
    if low > high:
        return cells
    # The widest that a circle of this radius reaches in longitude; cells below the caps are far from the poles.
    sine = math.sin(angle) / math.cos(math.radians(place.lat / MILLION))
    wide = math.ceil(math.degrees(math.asin(min(1.0, sine))) * MILLION) + 1
    west = (place.lon - wide + 180 * MILLION) * _COLUMNS // (360 * MILLION)
    east = (place.lon + wide + 180 * MILLION) * _COLUMNS // (360 * MILLION)
    columns = dict.fromkeys(column % _COLUMNS for column in range(west, east + 1))
    cells += [geohash(row, column) for row in range(_row(low), _row(high) + 1) for column in columns]
    return cells


def distance(one: Place, other: Place) -> float | None:
    """Return the metres between two places that match (0 in one network); None where they do not."""
    if isinstance(one, Point) and isinstance(other, Point):
        apart = metres(one, other)
        return apart if apart <= RADIUS else None
    return 0.0 if one == other else None


_PRIVATE_V4: Final = [
    ipaddress.IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16")
]
_PRIVATE_V6: Final = [ipaddress.IPv6Network(text) for text in ("fc00::/7", "fe80::/10")]
# Not Python's `is_private`: it changes between versions, and its other ranges are shared by strangers (CGNAT) or unused.


def network_of(peer: str, without: Without) -> Network | None:
    """Return the network that stands for the place of a client without a position; None where it has to send one.

    All of loopback is one. A private IPv4 network is its /24, the usual size of one behind one router, since there every
    device has an address of its own; a public IPv4 address is a household and counts whole; IPv6 is the /64.
    """
    if without == "off":
        return None
    address_text, _, zone = peer.partition("%")
    try:
        address = ipaddress.ip_address(address_text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_loopback:
        return Network("loopback")
    if isinstance(address, ipaddress.IPv4Address):
        if any(address in network for network in _PRIVATE_V4):
            return Network(str(ipaddress.IPv4Network((int(address) & ~0xFF, 24))))
        return Network(str(address)) if without == "any" else None
    if without == "any" or any(address in network for network in _PRIVATE_V6):
        network = ipaddress.IPv6Network((int(address) >> 64 << 64, 64))
        return Network(f"{network}%{zone}" if zone else str(network))
    return None


def to_text(place: Place) -> str:
    """Return a place as it is stored."""
    return f"at:{place.lat},{place.lon}" if isinstance(place, Point) else f"net:{place.key}"


def from_text(text: str) -> Place:
    """Parse a stored place."""
    kind, _, value = text.partition(":")
    if kind == "net":
        return Network(value)
    lat, _, lon = value.partition(",")
    return Point(int(lat), int(lon))
