"""Arguments and options that several commands take: each has one name, one metavar and one sentence of help."""

from typing import Annotated

from chatsrv.cli.declare import Argument, Option

GroupName = Annotated[str, Argument(metavar="G", help="The group: its name or id, or @name of a person.")]
MessageNumber = Annotated[int, Argument(metavar="N", min=1, help="The message: its number, as `history` shows it.")]
UserName = Annotated[str, Argument(metavar="USER", help="Name of an account.")]
UserNames = Annotated[list[str], Argument(metavar="USER...", help="Names of accounts.")]
AccountName = Annotated[str, Argument(metavar="NAME", help="The account's name.")]
Mention = Annotated[list[str] | None, Option("--mention", metavar="USER", help="Call somebody.")]
Everybody = Annotated[bool, Option("--all", help="Call everybody; a right.")]
