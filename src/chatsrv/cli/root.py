"""The command line put together: which command stands where. Importing this stays quick; commands import what they need."""

import typer

from chatsrv.cli import chat, demo
from chatsrv.cli.commands import (
    accounts,
    conversation,
    data_folder,
    face_to_face,
    governing,
    groups,
    media,
    messages,
    operator,
    people,
    redpack,
    serve,
    tail,
)
from chatsrv.cli.online import ChatContext, Common, Json, Profile, Server, online

app = typer.Typer(
    name="chatsrv",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def root(ctx: typer.Context, server: Server = None, profile: Profile = None, json: Json = False) -> None:
    """Self-hosted group chat: a server, and everything to talk through it.

    Start with `chatsrv demo`, or with `chatsrv serve` in one terminal and `chatsrv register NAME` in another.
    """
    if not isinstance(ctx.obj, ChatContext):
        ctx.obj = Common(server, profile, json)


app.command("serve")(serve.make_serve())
for function in (accounts.register, accounts.login, accounts.logout, accounts.whoami, accounts.passwd):
    app.command(function.__name__)(online(function))
governing.add_to(groups.group)
app.add_typer(groups.group, name="group")
app.command("dm")(online(governing.dm))
for function in (messages.send, messages.history, tail.tail):
    app.command(function.__name__)(online(function))
app.command("chat")(chat.chat)
for function in (
    conversation.read, conversation.unread, conversation.quiet, conversation.reply, conversation.edit, conversation.recall,
    conversation.react, conversation.pin, conversation.forward, conversation.receipts, conversation.versions,
    conversation.search,
):  # fmt: skip
    app.command(function.__name__)(online(function))
for function in (face_to_face.f2f, people.who, people.profile, people.devices, people.block, people.unblock):
    app.command(function.__name__)(online(function))
app.add_typer(media.media, name="media")
app.add_typer(redpack.redpack, name="redpack")
app.add_typer(redpack.wallet, name="wallet")
app.command()(data_folder.audit)
app.command("backup")(online(operator.backup))
app.command()(data_folder.check)
app.add_typer(data_folder.operator, name="operator")
app.add_typer(operator.user, name="user")
app.command("demo")(demo.demo)
