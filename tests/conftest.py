"""What holds for all tests: Hypothesis tries the same examples each time, and how long one takes proves nothing here.

A run that fails by chance, or on a busy machine only, is worth nothing to whoever it stops. New examples are looked for
by the simulation, whose seeds are named, and by `make fuzz`.
"""

import signal

from hypothesis import HealthCheck, settings

settings.register_profile("house", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # So a shell starts what runs in its background, and so would the programs be that tests interrupt by control-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
