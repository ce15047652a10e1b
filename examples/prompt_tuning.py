"""Tune a prompt by guessing: the visual prompt-tuning study of How to guess a gradient (figure 9), small.

A transformer learns the classes 0 to 4 by backpropagation. Then it is frozen, and learns 5 to 9 by a few prompt tokens
put before its image tokens, and a new last layer, whose gradients are guessed. Nothing of the frozen network is stored
for a backward pass by directional descent and activation perturbation; W^T takes noise back through it.
"""

import functools

import datasets
import numpy as np
from lab import Claim, Row, Study, axes, bands, epochs, learn, main, table
from lab.curves import ends, final, grouped, shortest, spread
from lab.verdicts import above

import dualgrad as dg
from dualgrad import directions, estimators, nn, optim

RATES = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3)
METHODS = {
    "directional": lambda: estimators.ForwardGradient(directions.Gaussian()),
    "activation": lambda: estimators.ActivationPerturbation(store=True),
    "W^T": lambda: estimators.TransposedWeight(store=True),
    "backprop": lambda: estimators.Backprop(),
}


class Patches(nn.Layer):
    """Images as 16 tokens, of patches a quarter as wide."""

    def __init__(self, side):
        self.patch = side // 4

    def forward(self, p, x):
        x = np.reshape(x, (-1, 4, self.patch, 4, self.patch))
        return np.reshape(np.swapaxes(x, -2, -3), (-1, 16, self.patch**2))

    def vjp(self, p, x):
        return self.forward(p, x), lambda dy: ({}, self.backward(dy, x.shape))

    def backward(self, dy, shape):
        return np.reshape(np.swapaxes(np.reshape(dy, (-1, 4, 4, self.patch, self.patch)), -2, -3), shape)


class Prompt(nn.Layer):
    """y = (tokens, x): learned tokens before those of the image."""

    def __init__(self, tokens, width):
        self.tokens, self.width = tokens, width

    def shapes(self):
        return {"tokens": (self.tokens, self.width)}

    def initial(self, name, shape, rng, dtype):
        return (0.1 * rng.normal(shape)).astype(dtype)

    def forward(self, p, x):
        return np.concatenate([np.zeros_like(x[..., :1, :]) + p["tokens"], x], axis=-2)

    def vjp(self, p, x):
        return self.forward(p, x), lambda dy: ({"tokens": np.sum(dy[:, : self.tokens], axis=0)}, dy[:, self.tokens :])


def network(side, width, blocks, prompt):
    """A transformer, and which of its layers make the tokens and read them."""
    body = nn.Sequential(*(nn.TransformerBlock(width, 4) for _ in range(blocks)))
    tokens = [Patches(side), nn.Linear((side // 4) ** 2, width), nn.PositionalEmbedding(16, width)]
    return nn.Sequential(*tokens, *prompt, body, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(width, 5))


@functools.lru_cache
def of_classes(data, low):
    """Five of the ten classes, counted from 0: to train on, and 1,000 to test on."""
    (x, y), (u, v) = (
        (x[(y >= low) & (y < low + 5)], y[(y >= low) & (y < low + 5)] - low) for x, y in datasets.images(data)
    )
    return (x, y), (u[:1000], v[:1000])


@functools.lru_cache
def pretrained(data, width, blocks, batch, before, rate, seed):
    """The transformer after learning 0 to 4, and its accuracy there."""
    train, test = of_classes(data, 0)
    model = network(train[0].shape[1], width, blocks, [])
    params = model.init(rng=seed)
    batches = epochs(nn.Objective(model, nn.cross_entropy), train, batch, dg.Rng(seed))
    learn(estimators.Backprop(), optim.AdamW(rate), params, batches, before)
    return params, nn.accuracy(model(params, test[0]), test[1])


def training(data, method, tokens, width, blocks, batch, before, rate_before, rate, updates, seed):
    """One run: its curve of updates, seconds, training and test accuracy on 5 to 9."""
    trained, there = pretrained(data, width, blocks, batch, before, rate_before, seed)
    train, test = of_classes(data, 5)
    prompt = [Prompt(tokens, width)] if tokens else []
    model = network(train[0].shape[1], width, blocks, prompt)
    params, body = model.init(rng=seed), str(3 + len(prompt))  # where the transformer's blocks stand
    frozen = {"1.": "1.", "2.": "2.", f"{body}.": "3."}
    for new, old in frozen.items():
        for name in params:
            if name.startswith(new):
                params[name][...] = trained[old + name.removeprefix(new)]
    optimizer = optim.AdamW(rate, groups={f"{new}*": {"lr": 0} for new in frozen})
    source, rng = dg.Rng(seed + 1).spawn(2)
    seen = tuple(part[:500] for part in train)

    def evaluate(params):
        return [nn.accuracy(model(params, x), y) for x, y in (seen, test)]

    batches = epochs(nn.Objective(model, nn.cross_entropy), train, batch, source)
    curve = learn(METHODS[method](), optimizer, params, batches, updates, evaluate, rng=rng, points=5)
    return {"curve": curve, "there": there}


def named(runs):
    """The runs by method; those without a prompt apart."""
    return grouped([r | {"way": r["method"] if r["tokens"] else "backprop, last layer alone"} for r in runs], "way")


def tables(runs):
    groups = named(runs)
    soonest = shortest(groups.values())
    lines = [[name, f"{g[0]['rate']:g}", spread(final(g, 2)), spread(final(g, 3)), spread(final(g, 3, soonest)),
              f"{np.nanmean(final(g, 1)):.0f}"] for name, g in groups.items()]  # fmt: skip
    there = np.mean([r["there"] for r in runs])
    tokens = max(r["tokens"] for r in runs)
    learnt = f"5 to 9 by {tokens} prompt tokens, {runs[0]['updates']:,} updates"
    title = f"{learnt}; the frozen network knows 0 to 4 ({there:.3f})"
    columns = ["method", "rate", "training accuracy", "test accuracy", "test accuracy at equal time", "seconds"]
    return {"prompt-tuning": table(title, columns, lines)}


def claims(runs):
    groups = named(runs)
    random, weight, backprop, alone = (
        groups.get(name, []) for name in ("directional", "W^T", "backprop", "backprop, last layer alone")
    )
    soonest = shortest([weight, random]) if weight and random else np.nan
    return [
        Claim("W^T is ahead of directional descent", "figure 9, ViT-B/16", ends([weight, random], 3),
              above(weight, random, 3)),
        Claim("... in equal time", "", ends([weight, random], 3, soonest), above(weight, random, 3, at=soonest)),
        Claim("a prompt is worth something: backprop with it is ahead of backprop without", "",
              ends([backprop, alone], 3), above(backprop, alone, 3)),
    ]  # fmt: skip


def draw(runs):
    figure, (ax,) = axes(1)
    bands(ax, named(runs), 3, ylabel="test accuracy", title="Prompt tuning (fig. 9)")
    return figure


def rows(data, before, updates, seeds, rates):
    settings = {"data": data, "width": 32, "blocks": 2, "batch": 64, "before": before, "rate_before": 2e-3}
    return tuple(Row(settings | {"method": m, "tokens": tokens, "updates": updates}, seeds, rates, paper=LENGTH,
                     seconds=updates * MILLISECONDS / 1e3)
                 for m, tokens in [*((m, 4) for m in METHODS), ("backprop", 0)])  # fmt: skip


LENGTH = 9_400  # 100 epochs of 5,994 images in batches of 64, as prompts are tuned by Jia et al. 2022
MILLISECONDS = 38
STUDIES = [
    Study("prompt-tuning", training, "updates", ("training accuracy", "test accuracy"),
          rows("fashion", 600, 940, 3, RATES), rows("digits", 2, 2, 2, RATES[2:3]), tables, draw, claims,
          best=(2, max)),
]  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main(__doc__, STUDIES, datasets))
