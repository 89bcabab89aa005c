"""Who listens to what: the port between the groups and those connected, and its implementation for one node."""

from chatsrv.bus.interface import PresenceObserver, SharedFrames, Subscriber
from chatsrv.bus.local import LocalBus

__all__ = ["LocalBus", "PresenceObserver", "SharedFrames", "Subscriber"]
