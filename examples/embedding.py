"""A server inside a program of your own: its accounts decide who gets in, and its rules which texts are accepted."""

import trio

import chatsrv

ACCOUNTS = {"ann": "correct horse", "bob": "battery staple"}
"""Stands for your own user database."""


async def authenticate(name: str, password: str) -> bool | None:
    """Decide a login. None would leave it to the server's own password."""
    return ACCOUNTS.get(name) == password


async def check_text(kind: chatsrv.TextKind, text: str, context: chatsrv.TextContext) -> str | None:
    """Return why a text is refused, as a sentence for its author; None accepts it."""
    if kind is chatsrv.TextKind.MESSAGE and "casino" in text.lower():
        return f"{context.user_name}, we do not advertise here"
    return None


async def main() -> None:
    """Run a server in memory, and talk on it."""
    config = chatsrv.Config(tcp="127.0.0.1:0")
    hooks = chatsrv.Hooks(authenticate=authenticate, text=check_text)
    async with (
        chatsrv.open_server(config, hooks=hooks) as server,
        chatsrv.open_client(server.urls[0]) as ann,
        chatsrv.open_client(server.urls[0]) as bob,
    ):
        await ann.login("ann", "correct horse")
        me = await bob.login("bob", "battery staple")
        made = await ann.groups.create("weekend", [me.user_id])
        await bob.group(made.group_id).send("To the mountains on Saturday?")
        try:
            await bob.group(made.group_id).send("Or to the CASINO")
        except chatsrv.RequestRefused as refusal:
            print(f"refused: {refusal.message}")
        async for event in ann.group(made.group_id).iterate_history():
            print(f"#{event.seq} {getattr(event, 'text', type(event).__name__)}")


if __name__ == "__main__":
    trio.run(main)
