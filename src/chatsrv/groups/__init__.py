"""The group channels: one task orders a group's commands, stores them, answers, and tells the group."""

from chatsrv.groups.channel import Channels, Submission

__all__ = ["Channels", "Submission"]
