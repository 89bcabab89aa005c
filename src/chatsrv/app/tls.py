"""TLS: loads the certificate that the configuration names."""

import ssl

from chatsrv.config import Config, ConfigError


def tls_context(config: Config) -> ssl.SSLContext | None:
    """Return the TLS context of the listeners, TLS 1.2 or newer; None where no certificate is set. Raises ConfigError."""
    if config.tls_cert is None or config.tls_key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A write that had to wait for the peer's part of a new handshake could not be made at once (transport/tls.py).
    context.options |= ssl.OP_NO_RENEGOTIATION
    try:
        context.load_cert_chain(config.tls_cert, config.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"the certificate {config.tls_cert} with key {config.tls_key} cannot be used: {error}"
        ) from None
    return context
