"""The command line of the models: by which gradient, how long, and where the run is kept."""

import argparse

from dualgrad import directions, estimators

from .threads import one_thread


def options(doc, epochs):
    """Epochs, seed and checkpoint of a run, and the estimator that its options name."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directions", type=int, default=16, help="random directions for each step (default 16)")
    parser.add_argument("--exact", action="store_true", help="by the exact gradient instead, the yardstick")
    parser.add_argument("--epochs", type=int, default=epochs, help=f"counted from the start (default {epochs})")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint", metavar="PATH", help="killed at any moment, the same command goes on from here")
    args = parser.parse_args()
    signs = estimators.ForwardGradient(directions.LowRank(), n=args.directions)
    args.estimator = estimators.Backprop() if args.exact else signs
    one_thread()
    return args
