"""Where passwords come from: a prompt that does not show them, or lines of standard input. Never arguments, which `ps` shows."""

import getpass
import sys

from chatsrv.cli.errors import usage


class PasswordSource:
    """The passwords of one command, asked for one after the other."""

    def __init__(self, *, from_stdin: bool) -> None:
        self._from_stdin = from_stdin

    def ask(self, prompt: str) -> str:
        """Ask for a password that exists already. Raises Failure where there is no terminal to ask."""
        if not self._from_stdin:
            if not sys.stdin.isatty():
                raise usage("there is no terminal to ask for the password: use --password-stdin")
            return getpass.getpass(f"{prompt}: ")
        try:
            line = sys.stdin.readline()
        except UnicodeDecodeError:
            raise usage("standard input is not UTF-8") from None
        if not line.rstrip("\r\n"):
            raise usage(f"standard input has no line for the {prompt.lower()}")
        return line.rstrip("\r\n")

    def choose(self, prompt: str) -> str:
        """Ask for a new password: typed twice, since it is not shown."""
        password = self.ask(prompt)
        if not self._from_stdin and getpass.getpass(f"{prompt} again: ") != password:
            raise usage("the two passwords differ")
        return password
