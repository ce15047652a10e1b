"""Hypothesis: the same examples on every run in CI, without a time limit of its own."""

import os

from hypothesis import settings

settings.register_profile("dev", max_examples=4, deadline=None)
settings.register_profile("ci", max_examples=4, deadline=None, derandomize=True)
settings.register_profile("thorough", max_examples=100, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))
