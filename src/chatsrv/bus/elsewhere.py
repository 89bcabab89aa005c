"""The users who are connected to the other nodes, as those report."""

from collections.abc import Collection


class Elsewhere:
    """The users of each other node, and on how many nodes each user is. Plain data."""

    __slots__ = ("_counts", "_nodes")

    def __init__(self) -> None:
        self._nodes: dict[str, dict[int, None]] = {}
        self._counts: dict[int, int] = {}

    @property
    def is_populated(self) -> bool:
        """Whether anybody is connected to another node."""
        return bool(self._counts)

    def has(self, user_id: int) -> bool:
        """Whether this user is connected to another node."""
        return user_id in self._counts

    def replace(self, node: str, users: Collection[int]) -> tuple[list[int], list[int]]:
        """Set all users of a node; return (who is on another node since, who is on none any more)."""
        before = self._nodes.get(node, {})
        now = dict.fromkeys(users)
        came = [each for each in now if each not in before and self._count(each, 1) == 1]
        went = [each for each in before if each not in now and self._count(each, -1) == 0]
        if now:
            self._nodes[node] = now
        else:
            self._nodes.pop(node, None)
        return came, went

    def change(self, node: str, user_id: int, here: bool) -> tuple[list[int], list[int]]:
        """Add one user to a node or remove one; return as `replace` does."""
        users = self._nodes.setdefault(node, {})
        if here and user_id not in users:
            users[user_id] = None
            return ([user_id] if self._count(user_id, 1) == 1 else [], [])
        if not here and users.pop(user_id, user_id) is None:
            return ([], [user_id] if self._count(user_id, -1) == 0 else [])
        return [], []

    def _count(self, user_id: int, by: int) -> int:
        count = self._counts.get(user_id, 0) + by
        if count:
            self._counts[user_id] = count
        else:
            del self._counts[user_id]
        return count
