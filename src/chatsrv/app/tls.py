"""TLS: the certificate that the configuration names."""

import ssl

from chatsrv.config import Config, ConfigError


def tls_context(config: Config) -> ssl.SSLContext | None:
    """The context of the TLS listeners, TLS 1.2 or newer; None where no certificate is set. Raises ConfigError."""
    if config.tls_cert is None or config.tls_key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(config.tls_cert, config.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"the certificate {config.tls_cert} with key {config.tls_key} cannot be used: {error}"
        ) from None
    return context
