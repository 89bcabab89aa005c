"""Settings that do not go together."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chatsrv.config.values import is_web_url, service_problem
from chatsrv_protocol import limits

if TYPE_CHECKING:
    from chatsrv.config.schema import Config


def contradictions(config: "Config") -> Iterator[str]:
    """Yield what is wrong with the settings together, a sentence each."""
    if (config.tls or config.wss or config.https) and not (config.tls_cert and config.tls_key):
        yield "tls and wss need a certificate, and so does https: set tls_cert and tls_key to PEM files"
    if config.backups is not None and config.data is not None and config.backups.absolute() == config.data.absolute():
        yield "backups must be another folder than data: the database and its journal have names there"
    if config.data is not None:
        from chatsrv_storage.dsn import is_dsn  # late: clients read settings, and load nothing of the storage

        if is_dsn(config.data):
            yield "data is a folder: name a database by database"
    if config.bus and not config.database:
        yield "bus is between servers that share a database: set database too"
    for url in config.bus:
        if not url.startswith(("redis://", "rediss://")):
            yield "bus must be URLs such as redis://127.0.0.1:6379 (for Valkey too), with commas between"
    if config.media_store == "s3" and not (config.media_s3_endpoint and config.media_s3_bucket):
        yield "media in S3 need media_s3_endpoint and media_s3_bucket"
    for service in config.push_services:
        if problem := service_problem(service):
            yield f"push_services: {problem}"
    if config.push_contact and not config.push_contact.startswith(("mailto:", "https:")):
        yield "push_contact must be an address such as mailto:admin@example.org, or of a web page by https"
    if config.redpack_min_average > config.redpack_max_average:
        yield "redpack_min_average must not exceed redpack_max_average: no packet would fit"
    if config.redpack_max_average * config.redpack_max_shares > limits.MAX_CENTS:
        yield f"redpack_max_average times redpack_max_shares must not exceed {limits.MAX_CENTS} cents"
    if config.payout_url:
        if not is_web_url(config.payout_url):
            yield "payout_url must be a URL such as https://pay.example/chatsrv"
        if not config.payout_secret:
            yield "payout_url needs payout_secret: without a key anybody could order payouts there"
