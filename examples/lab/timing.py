"""How long calls take, one beside the other."""

import time

import numpy as np


def in_turns(calls, rounds):
    """The seconds of every call in every round, ``(rounds, calls)``: in turns, so that a busy moment meets all."""

    def seconds(call):
        started = time.perf_counter()
        call()
        return time.perf_counter() - started

    return np.array([[seconds(call) for call in calls] for _ in range(rounds)])
