"""Every outcome of a run: the laws of its draws, a path through them, lines along them, and the sums over all."""
