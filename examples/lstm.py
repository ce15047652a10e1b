"""Code or prose? An LSTM reads lines of Python's own library, of all lengths, without a backward pass.

Killed at any moment, the same command goes on to the same bits; ``--exact`` takes the exact gradient instead.

    python examples/lstm.py --checkpoint lstm.npz
"""

from lab import options
from texts import python_lines

import dualgrad as dg
from dualgrad import nn, optim

args = options(__doc__, epochs=60)
train, test = python_lines()
model = nn.Sequential(
    nn.Embedding(128, 16, padding_idx=0),
    nn.LSTM(16, 32, batch_first=True, last_only=True),
    nn.Linear(32, 2),
)
params = model.init(rng=args.seed)
history = dg.fit(
    nn.Objective(model, nn.cross_entropy),
    params,
    train,
    estimator=args.estimator,
    optimizer=optim.Adam(6e-3),
    epochs=args.epochs,
    batch_size=128,
    validation=test,
    metrics={"accuracy": nn.accuracy},
    checkpoint=args.checkpoint,
    rng=args.seed,
)
print(history)
