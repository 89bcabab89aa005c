"""Several nodes as one server: hints between them, who lives, whose turn it is, and a look at the database for what was lost."""

from chatsrv.cluster.cluster import Cluster
from chatsrv.cluster.port import NodeBus

__all__ = ["Cluster", "NodeBus"]
