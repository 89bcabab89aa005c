"""The bus: which connection hears which group, the interface between groups and connections, and its implementation for a node."""

from chatsrv.bus.interface import PresenceObserver, SharedFrames, Subscriber
from chatsrv.bus.local import LocalBus

__all__ = ["LocalBus", "PresenceObserver", "SharedFrames", "Subscriber"]
