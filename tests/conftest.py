"""Settings of all tests: property tests draw the same examples every time and know no deadline.

With several workers (`-n`) each file runs on one of them, with one thread for torch, and all tests that need
the real model run on the same one, so that it is in memory once.
"""

import os

import pytest
from hypothesis import HealthCheck, settings

WORKER = "PYTEST_XDIST_WORKER"
if WORKER in os.environ:  # before anything imports torch; what the tests start inherits it
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# A busy machine is not a failure; a found counterexample must be found again.
settings.register_profile(
    "project", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("project")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long examples of the documents only where `-m` asks for them. With workers: name the group of each
    test, the longest groups first so that they end together.
    """
    if "docs" not in config.getoption("markexpr"):
        items[:] = [item for item in items if not item.get_closest_marker("docs")]
    if WORKER not in os.environ:
        return
    for item in items:
        group = "bundle" if item.get_closest_marker("bundle") else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (not item.get_closest_marker("bundle"), item.path not in slow))
