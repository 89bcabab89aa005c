"""The command line put together: which command stands where. Importing this stays quick; commands import what they need."""

import typer

from chatsrv.cli import (
    accounts,
    chat,
    conversation,
    demo,
    facetoface,
    governing,
    groups,
    local,
    media,
    operate,
    people,
    redpack,
    serve,
    tail,
    talk,
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
for function in (talk.send, talk.history, tail.tail):
    app.command(function.__name__)(online(function))
app.command("chat")(chat.chat)
for function in (
    conversation.read, conversation.unread, conversation.quiet, conversation.reply, conversation.edit, conversation.recall,
    conversation.react, conversation.pin, conversation.forward, conversation.receipts, conversation.versions,
    conversation.search,
):  # fmt: skip
    app.command(function.__name__)(online(function))
for function in (facetoface.f2f, people.who, people.profile, people.devices, people.block, people.unblock):
    app.command(function.__name__)(online(function))
app.add_typer(media.media, name="media")
app.add_typer(redpack.redpack, name="redpack")
app.add_typer(redpack.wallet, name="wallet")
app.command()(local.audit)
app.command("backup")(online(operate.backup))
app.command()(local.check)
app.add_typer(local.operator, name="operator")
app.add_typer(operate.user, name="user")
app.command("demo")(demo.demo)
