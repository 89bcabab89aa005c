"""Part of chatsrv."""
