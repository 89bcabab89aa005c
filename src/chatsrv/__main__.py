"""`python -m chatsrv` is `chatsrv`."""

from chatsrv.cli import main

main()
