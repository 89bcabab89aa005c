"""The handshake, accounts, logins and sessions."""

import trio

from chatsrv.auth.login_limits import LoginLimits
from chatsrv.auth.passwords import MIN_LENGTH, PasswordHasher
from chatsrv.auth.rates import source_of
from chatsrv.auth.shared_attempts import SharedAttempts
from chatsrv.auth.throttle import Throttle
from chatsrv.commands.context import Request, Services
from chatsrv.commands.hooks import Hooks
from chatsrv.commands.registry import handles
from chatsrv.config import Config
from chatsrv.log import Log
from chatsrv.media.library import Library
from chatsrv_names import name_key
from chatsrv_protocol import ErrorCode, limits
from chatsrv_protocol import session as wire
from chatsrv_protocol.common import Done, Ping, Pong
from chatsrv_storage.accounts import accounts, sessions
from chatsrv_storage.accounts.accounts import UserAccount
from chatsrv_storage.engine.shared import lock_people
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups.models import Actor
from chatsrv_storage.interface import SqlConnection, Storage


@handles
async def hello(request: Request, command: wire.Hello, *, config: Config, library: Library | None) -> wire.Welcome:
    """Choose the version and tell the limits."""
    if limits.VERSION not in command.versions:
        theirs = ", ".join(map(str, command.versions)) or "none"
        sentence = f"this server speaks version {limits.VERSION} of the protocol, and the client {theirs}"
        raise Refusal(ErrorCode.VERSION_UNSUPPORTED, sentence, "versions")  # any Refused to Hello ends the connection
    return wire.Welcome(
        version=limits.VERSION,
        server=config.name,
        now=request.now_ms,
        heartbeat=round(config.heartbeat * 1000),
        max_frame=limits.MAX_FRAME,
        max_requests=limits.MAX_REQUESTS,
        registration_open=request.caller.may_register,
        http=library.base_url if library is not None and not request.caller.page else "",
        page=request.caller.page,
    )


@handles
async def ping(request: Request, command: Ping) -> Pong:
    """Tell the time."""
    del command
    return Pong(request.now_ms)


def _throttled(wait: float) -> Refusal:
    return RateLimited("too many attempts: wait before the next", wait)


class RateLimited(Refusal):
    """Too many attempts; `retry_after` is the wait in seconds."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(ErrorCode.RATE_LIMITED, message)
        self.retry_after = retry_after


def _check_secret_path(request: Request) -> None:
    """Refuse a login over a way that is not secret, as every kind of login does; the password may be changed there too."""
    if not request.caller.may_send_secrets:
        sentence = "passwords and tokens travel only over TLS or loopback: use tls:// or wss://"
        raise Refusal(ErrorCode.PLAINTEXT_REFUSED, sentence)


def _check_new_password(password: str, field: str) -> None:
    if len(password) < MIN_LENGTH:
        raise Refusal(ErrorCode.PASSWORD_WEAK, f"a password needs at least {MIN_LENGTH} characters", field)


@handles
async def register(
    request: Request,
    command: wire.Register,
    *,
    registrations: Throttle,
    shared_attempts: SharedAttempts,
    passwords: PasswordHasher,
    ids: Snowflake,
    storage: Storage,
) -> wire.LoggedIn:
    """Make an account and log in."""
    caller = request.caller
    if not caller.may_register:
        raise Refusal(ErrorCode.REGISTRATION_CLOSED, "this server's operator makes the accounts: ask for one")
    _check_secret_path(request)
    _check_new_password(command.password, "password")
    address = source_of(caller.peer)
    wait = registrations.take(address, trio.current_time()) or await shared_attempts.take(
        shared_attempts.of_registration(address), request.now_ms
    )
    if wait:
        raise _throttled(wait)
    password_hash = await passwords.hash(command.password)
    user_id = ids.next(request.now_ms)
    now_ms = request.now_ms
    account = await storage.write(lambda conn: accounts.register(conn, user_id, command.name, password_hash, now_ms))
    return await _new_session(request, account, command.device)


@handles
async def login(
    request: Request,
    command: wire.Login,
    *,
    logins: LoginLimits,
    shared_attempts: SharedAttempts,
    log: Log,
    hooks: Hooks,
    passwords: PasswordHasher,
) -> wire.LoggedIn:
    """Log in by password: the same answer in the same time, whether the name or the password is wrong."""
    caller = request.caller
    _check_secret_path(request)
    now = trio.current_time()
    user, address = name_key(command.name), source_of(caller.peer)
    wait = logins.take(user, address, now)  # before argon2 runs
    known = logins.knows(user, address)
    ask = not known and not (wait and logins.is_used_up(user, address, now))  # or each refusal would be a read
    if ask and await shared_attempts.is_known(user, address):
        known = True  # from another node: guesses of strangers do not keep them out here
        logins.load([(user, address, request.now_ms)])
        wait = wait and logins.take(user, address, now)
    limits_of_all = shared_attempts.of_login(user, address, known=known)
    if not wait and (wait := await shared_attempts.take(limits_of_all, request.now_ms)):
        logins.note_refused()
    if wait:
        if logins.may_log(now):
            log.warning("login refused: too many attempts", user=command.name, peer=caller.peer)
        raise _throttled(wait)
    account = await request.read(lambda conn: accounts.by_name(conn, command.name))
    hook = hooks.authenticate
    verdict = None if hook is None else await hook(command.name, command.password)
    if verdict is None:
        stored = None if account is None else account.password_hash
        verdict = await passwords.matches(stored, command.password)
    elif verdict and account is None:
        account = await _known_elsewhere(request, command.name)
    if not verdict or account is None or account.disabled:
        raise Refusal(ErrorCode.BAD_CREDENTIALS, "the name or the password is wrong")
    logins.succeeded(user, address, now)
    await shared_attempts.give_back(limits_of_all, request.now_ms)
    return await _new_session(request, account, command.device)


async def _known_elsewhere(request: Request, name: str) -> UserAccount:
    """Return an account for a user whom the embedding program vouches for; no password opens it."""
    user_id, now_ms = request.services.ids.next(request.now_ms), request.now_ms

    def find_or_make(conn: SqlConnection) -> UserAccount:  # two devices may come for the first time at once
        return accounts.by_name(conn, name) or accounts.register(conn, user_id, name, "!", now_ms, vouched=True)

    return await request.services.storage.write(find_or_make)


async def _new_session(request: Request, account: UserAccount, device: str) -> wire.LoggedIn:
    services = request.services
    token = services.randomness.bytes(32)
    session_id = services.ids.next(request.now_ms)
    now_ms = request.now_ms

    def create(conn: SqlConnection) -> list[int]:
        lock_people(conn, [account.user_id])  # another node may be setting the password
        current = accounts.by_id(conn, account.user_id)
        if current is None or current.disabled or current.password_hash != account.password_hash:
            raise Refusal(ErrorCode.BAD_CREDENTIALS, "the name or the password is wrong")
        return sessions.create(conn, session_id, account.user_id, token, device, now_ms)

    end_connections(request, account.user_id, await services.storage.write(create))
    return await _log_in(request, account, session_id, token)


@handles
async def resume(request: Request, command: wire.Resume) -> wire.LoggedIn:
    """Log in by token."""
    return await _resume(request, command.token)


@handles
async def resume_here(request: Request, command: wire.ResumeHere) -> wire.LoggedIn:
    """Log in by the token in the handshake's cookie."""
    del command
    token = request.caller.cookie_token
    if not token:
        sentence = "this connection brought no cookie of the server's own page: log in with your name and password"
        raise Refusal(ErrorCode.SESSION_ENDED, sentence)
    return await _resume(request, token)


async def _resume(request: Request, token: bytes) -> wire.LoggedIn:
    _check_secret_path(request)
    now_ms = request.now_ms

    def find(conn: SqlConnection) -> tuple[int, UserAccount | None]:
        session_id, user_id = sessions.resume(conn, token, now_ms)
        return session_id, accounts.by_id(conn, user_id)

    session_id, account = await request.services.storage.look_up(find)
    if account is None or account.disabled:
        raise Refusal(ErrorCode.SESSION_ENDED, "this account is disabled", "token")
    return await _log_in(request, account, session_id, b"")


async def _log_in(request: Request, account: UserAccount, session_id: int, token: bytes) -> wire.LoggedIn:
    caller = request.caller
    address = source_of(caller.peer)
    request.services.logins.came_in(account.user_id, name_key(account.name), address, request.now_ms)
    version = await caller.log_in(Actor(account.user_id, account.name), session_id)
    return wire.LoggedIn(account.user_id, account.name, session_id, token, version, account.operator)


def end_connections(request: Request, user_id: int, session_ids: list[int]) -> None:
    """End the connections of sessions that are over."""
    request.services.bus.end_sessions(user_id, session_ids, ErrorCode.SESSION_ENDED)


async def close_session(services: Services, user_id: int, session_id: int) -> None:
    """End a session that is known by something else than a connection, with its connections. Raises Refusal."""
    await services.storage.write(lambda conn: sessions.end(conn, user_id, session_id))
    services.bus.end_sessions(user_id, [session_id], ErrorCode.SESSION_ENDED)


@handles
async def logout(request: Request, command: wire.Logout) -> Done:
    """End this session: on every connection of it, this one last."""
    del command
    return await _end(request, request.caller.session_id)


@handles
async def end_session(request: Request, command: wire.EndSession) -> Done:
    """End another session of mine, or this one."""
    return await _end(request, command.session_id)


async def _end(request: Request, session_id: int) -> Done:
    user_id = request.caller.actor.user_id
    await request.services.storage.write(lambda conn: sessions.end(conn, user_id, session_id))
    if session_id == request.caller.session_id:
        request.caller.answer(request.request_id, Done())
    end_connections(request, user_id, [session_id])
    return Done()


@handles
async def change_password(
    request: Request,
    command: wire.ChangePassword,
    *,
    logins: LoginLimits,
    shared_attempts: SharedAttempts,
    log: Log,
    passwords: PasswordHasher,
    storage: Storage,
) -> Done:
    """Set a new password; all other sessions end."""
    caller = request.caller
    _check_new_password(command.new, "new")
    wait = logins.take_of_session(caller.session_id, trio.current_time())
    limits_of_all = shared_attempts.of_session(caller.session_id)
    if not wait and (wait := await shared_attempts.take(limits_of_all, request.now_ms)):
        logins.note_refused()
    if wait:
        if logins.may_log(trio.current_time()):
            log.warning("password change refused: too many attempts", user=caller.actor.name, peer=caller.peer)
        raise _throttled(wait)
    user_id, keep = caller.actor.user_id, caller.session_id
    account = await request.read(lambda conn: accounts.by_id(conn, user_id))
    if account is None or not await passwords.matches(account.password_hash, command.old):
        raise Refusal(ErrorCode.BAD_CREDENTIALS, "the old password is wrong", "old")
    logins.session_succeeded(caller.session_id, trio.current_time())
    await shared_attempts.give_back(limits_of_all, request.now_ms)
    password_hash = await passwords.hash(command.new)

    def change(conn: SqlConnection) -> list[int]:
        lock_people(conn, [user_id])
        # The hashes took a while: meanwhile somebody may have ended this session or set another password, to keep out
        # just who is asking here.
        current = accounts.by_id(conn, user_id)
        if current is None or current.password_hash != account.password_hash or not sessions.lives(conn, keep):
            raise Refusal(ErrorCode.BAD_CREDENTIALS, "the password was changed meanwhile", "old")
        return accounts.set_password(conn, user_id, password_hash, keep)

    end_connections(request, user_id, await storage.write(change))
    return Done()


@handles
async def list_sessions(request: Request, command: wire.ListSessions) -> wire.Sessions:
    """Return the sessions of the caller."""
    del command
    caller = request.caller
    rows = await request.read(lambda conn: sessions.of_user(conn, caller.actor.user_id))
    return wire.Sessions(
        tuple(
            wire.Session(row.session_id, row.device, row.created_at, row.seen_at, row.session_id == caller.session_id)
            for row in rows
        )
    )


@handles
async def find_people(request: Request, command: wire.FindPeople) -> wire.People:
    """Return users by their whole names."""
    found = await request.read(lambda conn: accounts.find(conn, command.names))
    return wire.People(tuple(wire.Person(user_id, name) for user_id, name in found))
