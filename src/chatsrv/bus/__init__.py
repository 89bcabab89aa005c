"""Who listens to what: the port between the groups and those connected, and its implementation for one node."""

from chatsrv.bus.local import LocalBus
from chatsrv.bus.port import PresenceObserver, SharedFrames, Subscriber

__all__ = ["LocalBus", "PresenceObserver", "SharedFrames", "Subscriber"]
