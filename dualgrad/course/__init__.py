"""The course: what its lessons draw and check."""
