"""Tune a prompt by guessing: the visual prompt-tuning study of How to guess a gradient (figure 9), small.

A transformer learns the digits 0 to 4 by backpropagation. Then it is frozen, and learns 5 to 9 by a few prompt tokens
put before its image tokens, and a new last layer, whose gradients are guessed. Nothing of the frozen network is stored
for a backward pass by directional descent and activation perturbation; W^T takes noise back through it.

    python examples/prompt_tuning.py --quick
    python examples/prompt_tuning.py --full
"""

import functools

import numpy as np
from datasets import images
from lab import arguments, axes, bands, epochs, final, learn, save, spread, table, tuned, verdicts

import dualgrad as dg
from dualgrad import directions, estimators, nn, optim

RATES = [3e-2, 1e-2, 3e-3]
BATCH, TOKENS, WIDTH, BLOCKS = 64, 4, 32, 2
METHODS = {
    "directional": lambda: estimators.ForwardGradient(directions.Gaussian()),
    "activation": lambda: estimators.ActivationPerturbation(store=True),
    "W^T": lambda: estimators.TransposedWeight(store=True),
    "backprop": lambda: estimators.Backprop(),
}


class Patches(nn.Layer):
    """Images of 8 x 8 as 16 tokens of 2 x 2 pixels."""

    def forward(self, p, x):
        x = np.reshape(x, (-1, 4, 2, 4, 2))
        return np.reshape(np.swapaxes(x, -2, -3), (-1, 16, 4))

    def vjp(self, p, x):
        return self.forward(p, x), lambda dy: (
            {},
            np.reshape(np.swapaxes(np.reshape(dy, (-1, 4, 4, 2, 2)), -2, -3), x.shape),
        )


class Prompt(nn.Layer):
    """y = (tokens, x): learned tokens before those of the image."""

    def shapes(self):
        return {"tokens": (TOKENS, WIDTH)}

    def initial(self, name, shape, rng, dtype):
        return (0.1 * rng.normal(shape)).astype(dtype)

    def forward(self, p, x):
        return np.concatenate([np.zeros_like(x[..., :1, :]) + p["tokens"], x], axis=-2)

    def vjp(self, p, x):
        return self.forward(p, x), lambda dy: ({"tokens": np.sum(dy[:, :TOKENS], axis=0)}, dy[:, TOKENS:])


def network(prompt):
    """A transformer, and which of its layers make the tokens and read them."""
    body = nn.Sequential(*(nn.TransformerBlock(WIDTH, 4) for _ in range(BLOCKS)))
    tokens = [Patches(), nn.Linear(4, WIDTH), nn.PositionalEmbedding(16, WIDTH)]
    return nn.Sequential(*tokens, *prompt, body, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(WIDTH, 5))


def of_classes(data, low):
    """Five of the ten classes, counted from 0."""
    return tuple((x[(y >= low) & (y < low + 5)], y[(y >= low) & (y < low + 5)] - low) for x, y in data)


@functools.cache
def pretrained(passes, seed):
    """The transformer after learning 0 to 4, and its accuracy there."""
    train, test = of_classes(images(), 0)
    params = network([]).init(rng=seed)
    history = dg.fit(
        nn.Objective(network([]), nn.cross_entropy), params, train, estimator=estimators.Backprop(),
        optimizer=optim.AdamW(2e-3), epochs=passes, batch_size=BATCH, validation=test,
        metrics={"accuracy": nn.accuracy}, rng=seed, progress=False,
    )  # fmt: skip
    return params, history[-1]["accuracy"]


def training(method, prompt, before, updates, rate, seed):
    """One run: its curve of updates, seconds, training and test accuracy on 5 to 9."""
    trained, _ = pretrained(before, seed)
    train, test = of_classes(images(), 5)
    model = network([Prompt()] if prompt else [])
    params, body = model.init(rng=seed), str(3 + prompt)  # where the transformer's blocks stand
    frozen = {"1.": "1.", "2.": "2.", f"{body}.": "3."}
    for new, old in frozen.items():
        for name in params:
            if name.startswith(new):
                params[name][...] = trained[old + name.removeprefix(new)]
    optimizer = optim.AdamW(rate, groups={f"{new}*": {"lr": 0} for new in frozen})
    source, rng = dg.Rng(seed + 1).spawn(2)

    def evaluate(params):
        return [nn.accuracy(model(params, x), y) for x, y in (train, test)]

    batches = epochs(nn.Objective(model, nn.cross_entropy), train, BATCH, source)
    return learn(METHODS[method](), optimizer, params, batches, updates, evaluate, rng=rng)


def main():
    args = arguments(__doc__, "about 3 minutes", updates=400)
    before, updates = (50, args.updates) if args.full else (1, min(5, args.updates))  # epochs of 12 updates; updates
    tasks = [{"method": m, "prompt": p, "before": before, "updates": updates}
             for m, p in [*((m, True) for m in METHODS), ("backprop", False)]]  # fmt: skip
    runs, search = tuned(training, tasks, RATES if args.full else RATES[:1], args.seeds, args.jobs, "prompts", column=2)
    groups = {}
    for r in runs:
        groups.setdefault(r["method"] if r["prompt"] else "backprop, last layer alone", []).append(r)
    rows = [[name, g[0]["rate"], spread(final(g, 2)), spread(final(g, 3)), f"{np.nanmean(final(g, 1)):.0f}"]
            for name, g in groups.items()]  # fmt: skip
    mean = {name: np.nanmean(final(g, 3)) for name, g in groups.items()}
    claims = [
        ["W^T beats directional descent", mean["W^T"] > mean["directional"]],
        ["a prompt is worth something: backprop with it beats backprop without",
         mean["backprop"] > mean["backprop, last layer alone"]],
    ]  # fmt: skip
    _, there = pretrained(before, 0)
    tables = [
        table(f"5 to 9 by {TOKENS} prompt tokens; the frozen network knows 0 to 4 ({there:.3f})",
              ["method", "rate", "training accuracy", "test accuracy", "seconds"], rows),
        verdicts("Figure 9", claims),
    ]  # fmt: skip
    figure, (ax,) = axes(1)
    bands(ax, groups, 3, ylabel="test accuracy", title="Prompt tuning (fig. 9)")
    save(args, "prompt_tuning", figure, tables, runs + search)


if __name__ == "__main__":
    main()
