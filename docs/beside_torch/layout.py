"""Where the entries of parameters lie, here and in torch: of models with axes of unlike lengths."""

MODELS = {
    "nn.Linear(2, 3)": "(in, out)",
    "nn.Bilinear(2, 3, 4)": "(in1, in2, out)",
    "nn.Embedding(5, 3)": "as in torch",
    "nn.Conv1d(4, 6, 3)": "(k, in, out)",
    "nn.Conv2d(4, 6, (3, 2))": "(kh, kw, in, out)",
    "nn.Conv2d(4, 6, (3, 2), groups=2)": "in is that of a group",
    "nn.ConvTranspose2d(4, 6, (3, 2))": "(kh, kw, in, out)",
    "nn.LayerNorm(5)": "as in torch",
    "nn.BatchNorm(5)": "statistics are `params.buffers`",
    "nn.RNN(2, 3)": "the bias is the sum of torch's two; `to_torch` gives it to the first",
    "nn.LSTM(2, 3)": "gates i, f, g, o; of more layers `l0.bias`, `l0_reverse.bias`, `l1.bias`, ...",
    "nn.GRU(2, 3)": "gates r, z, n, as in torch; both biases",
    "nn.MultiHeadAttention(4, 2)": "q, k, v side by side, as in torch",
}


def rows():
    """For each model: its parameters and shapes here, those of torch, and a note."""
    from dualgrad import nn

    for program, note in MODELS.items():
        model = eval(program, {"nn": nn})
        params = model.init(rng=0)
        yield program, _shapes(dict(params) | params.buffers), _shapes(nn.to_torch(params, model)), note


def _shapes(arrays):
    return ", ".join(f"`{name} {array.shape}`" for name, array in arrays.items())
