"""Several nodes as one server: the bus between them, which of them are alive, duties, and reading from the database what was
lost.
"""

from chatsrv.cluster.cluster import Cluster
from chatsrv.cluster.port import NodeBus

__all__ = ["Cluster", "NodeBus"]
