"""The unit of cost: a forward pass with cross-entropy as one writes it in NumPy, beside the objective that it is of."""

import numpy as np


def network(sizes, batch):
    """The loss of an MLP in plain NumPy, the same as a bound objective, and its parameters; float32."""
    from dualgrad import nn

    model = nn.networks.mlp(sizes)
    rng, params = np.random.default_rng(0), model.init(rng=0)
    x, y = rng.standard_normal((batch, sizes[0]), dtype=np.float32), rng.integers(0, sizes[-1], batch)
    *hidden, (last, bias) = [(params[f"{2 * k}.weight"], params[f"{2 * k}.bias"]) for k in range(len(sizes) - 1)]

    def forward():
        a = x
        for w, b in hidden:
            a = np.maximum(a @ w + b, 0)
        return cross_entropy(a @ last + bias, y)

    return forward, nn.Objective(model, nn.cross_entropy).bind(x, y), params


def recurrent_network(width, classes, batch, steps=10):
    """The same of an RNN, whose last state is classified."""
    from dualgrad import nn

    model = nn.Sequential(nn.RNN(width, width, last_only=True), nn.Linear(width, classes))
    rng, p = np.random.default_rng(0), model.init(rng=0)
    x, y = rng.standard_normal((steps, batch, width), dtype=np.float32), rng.integers(0, classes, batch)

    def forward():
        h = np.zeros((batch, width), np.float32)
        for now in x:
            h = np.tanh(now @ p["0.weight_x"] + h @ p["0.weight_h"] + p["0.bias"])
        return cross_entropy(h @ p["1.weight"] + p["1.bias"], y)

    return forward, nn.Objective(model, nn.cross_entropy).bind(x, y), p


def cross_entropy(z, y):
    z = z - z.max(axis=-1, keepdims=True)
    return np.mean(np.log(np.exp(z).sum(axis=-1)) - z[np.arange(len(y)), y])
