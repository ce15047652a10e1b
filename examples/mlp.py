"""Handwritten digits by a network of 64-128-128-10, without a backward pass.

Killed at any moment, the same command goes on to the same bits; ``--exact`` takes the exact gradient instead.

    python examples/mlp.py --checkpoint mlp.npz
"""

from datasets import digits
from lab import options

import dualgrad as dg
from dualgrad import nn, optim

args = options(__doc__, epochs=300)
train, test = digits()
model = nn.Sequential(nn.Flatten(), *nn.networks.mlp([64, 128, 128, 10]).layers)
params = model.init(rng=args.seed)
history = dg.fit(
    nn.Objective(model, nn.cross_entropy),
    params,
    train,
    estimator=args.estimator,
    optimizer=optim.Adam(optim.cosine(5e-3, 12 * args.epochs)),
    epochs=args.epochs,
    batch_size=128,
    validation=test,
    metrics={"accuracy": nn.accuracy},
    checkpoint=args.checkpoint,
    rng=args.seed,
)
print(history)
