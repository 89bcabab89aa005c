"""Subscriptions to notifications by push services."""

from chatsrv.commands.context import Request
from chatsrv.commands.registry import handles
from chatsrv.push import PushNotifier
from chatsrv.push.encryption import is_point
from chatsrv_protocol import ErrorCode
from chatsrv_protocol import push as wire
from chatsrv_protocol.common import Done
from chatsrv_storage.accounts import push_subscriptions
from chatsrv_storage.accounts.push_subscriptions import PushSubscription
from chatsrv_storage.errors import Refusal
from chatsrv_storage.interface import Storage


def _require_push(push: PushNotifier | None) -> PushNotifier:
    if push is None:
        raise Refusal(ErrorCode.PUSH_OFF, "this server sends no notifications to devices that are not connected")
    return push


@handles
async def show_push(request: Request, command: wire.ShowPush, *, push: PushNotifier | None) -> wire.PushShown:
    """Answer the server's key, and whether the session has a subscription."""
    del command
    signer = await _require_push(push).signer()
    session_id = request.caller.session_id
    kept = await request.read(lambda conn: push_subscriptions.of_session(conn, session_id))
    return wire.PushShown(signer.point, kept is not None, kept is not None and kept.show_text)


@handles
async def subscribe_push(
    request: Request, command: wire.SubscribePush, *, push: PushNotifier | None, storage: Storage
) -> Done:
    """Store the session's subscription."""
    if _require_push(push).endpoint(command.endpoint) is None:
        sentence = "this server posts to no push service at this address: its operator can list it (push_services)"
        raise Refusal(ErrorCode.PUSH_SERVICE_UNKNOWN, sentence, "endpoint")
    if not is_point(command.p256dh):
        raise Refusal(ErrorCode.BAD_FIELD, "the device's key is no point of the curve P-256", "p256dh")
    caller, now_ms = request.caller, request.now_ms
    subscription = PushSubscription(
        caller.session_id, caller.actor.user_id, command.endpoint, command.p256dh, command.auth, command.show_text
    )
    await storage.write(lambda conn: push_subscriptions.subscribe(conn, subscription, now_ms))
    return Done()


@handles
async def unsubscribe_push(request: Request, command: wire.UnsubscribePush, *, storage: Storage) -> Done:
    """End the session's subscription."""
    del command
    session_id = request.caller.session_id
    await storage.write(lambda conn: push_subscriptions.unsubscribe(conn, session_id))
    return Done()
