"""Handwritten digits by a convolutional network with batch normalisation and dropout, without a backward pass.

Killed at any moment, the same command goes on to the same bits; ``--exact`` takes the exact gradient instead.

    python examples/cnn.py --checkpoint cnn.npz
"""

from datasets import digits
from lab import options

import dualgrad as dg
from dualgrad import nn, optim


def block(before, channels):
    return nn.Conv2d(before, channels, 3, padding=1), nn.BatchNorm(channels), nn.ReLU(), nn.MaxPool2d(2)


args = options(__doc__, epochs=60)
train, test = digits()
model = nn.Sequential(*block(1, 16), *block(16, 32), nn.Flatten(), nn.Dropout(0.2), nn.Linear(128, 10))
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
