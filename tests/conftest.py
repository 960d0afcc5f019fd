"""No test fails because a machine is busy: hypothesis' time limit for an example is off."""

from hypothesis import settings

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
