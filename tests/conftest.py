"""Settings of all tests: property tests draw the same examples every time and know no deadline."""

from hypothesis import HealthCheck, settings

# A busy machine is not a failure; a found counterexample must be found again.
settings.register_profile(
    "project", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("project")
