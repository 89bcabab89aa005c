"""Who listens to what: the port between the groups and those connected, and its implementation for one node."""

from chatsrv.bus.local import LocalBus
from chatsrv.bus.port import Blob, Listener, Subscriber

__all__ = ["Blob", "Listener", "LocalBus", "Subscriber"]
