"""How withdrawn money leaves: the port to a payment provider, one that posts webhooks, and one that does nothing."""

from chatsrv.payments.interface import NoProvider, PaymentProvider, PayoutResult
from chatsrv.payments.webhook import WebhookProvider, signature

__all__ = ["NoProvider", "PaymentProvider", "PayoutResult", "WebhookProvider", "signature"]
