"""Handwritten digits by a small transformer that reads them row by row, without a backward pass.

Killed at any moment, the same command goes on to the same bits; ``--exact`` takes the exact gradient instead.

    python examples/transformer.py --checkpoint transformer.npz
"""

from datasets import digits
from lab import options

import dualgrad as dg
from dualgrad import nn, optim

args = options(__doc__, epochs=60)
train, test = [(x[..., 0], y) for x, y in digits()]
model = nn.Sequential(
    nn.Linear(8, 32),
    nn.PositionalEmbedding(8, 32),
    nn.TransformerBlock(32, 4),
    nn.TransformerBlock(32, 4),
    nn.Flatten(),
    nn.Linear(8 * 32, 10),
)
params = model.init(rng=args.seed)
history = dg.fit(
    nn.Objective(model, nn.cross_entropy),
    params,
    train,
    estimator=args.estimator,
    optimizer=optim.AdamW(2e-3, groups={"*.bias": {"weight_decay": 0}}),
    epochs=args.epochs,
    batch_size=128,
    validation=test,
    metrics={"accuracy": nn.accuracy},
    checkpoint=args.checkpoint,
    rng=args.seed,
)
print(history)
