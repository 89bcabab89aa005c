"""Web Push: notifications for devices that are not connected, posted to the push service of each device's browser.

RFC 8030 is the protocol, RFC 8291 the encryption, RFC 8292 how the server says who it is. `notifier.py` decides who is told,
`sender.py` posts, `services.py` says whom the server posts to at all.
"""

from chatsrv.push.notifier import PushNotifier
from chatsrv.push.sender import HttpPushGateway, PushAnswer, PushGateway

__all__ = ["HttpPushGateway", "PushAnswer", "PushGateway", "PushNotifier"]
