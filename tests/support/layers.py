"""The catalogue of layers and losses that their tests run over: a layer and the shape of an input for it."""

import numpy as np

from dualgrad import nn
from dualgrad.backend import like
from dualgrad.dual import primal
from dualgrad.random import Rng

RNG = np.random.default_rng(7)


class Bound:
    """A layer with its keywords and buffers given, so that its rules take what every layer's take."""

    lead = True

    def __init__(self, layer, **kwargs):
        self.layer, self.kwargs = layer, kwargs

    def __repr__(self):
        return repr(self.layer)

    def init(self, **kwargs):
        params = self.layer.init(**kwargs)
        values = {name: np.linspace(0.5, 1.5, b.size).reshape(b.shape) for name, b in params.buffers.items()}
        self.buffers = values
        return type(params).from_vector(type(params.layout)(params.layout.shapes), params.vector)

    def _with(self, p, x):
        v = primal(x)
        return {**p, **{name: like(b.astype(v.dtype), v) for name, b in self.buffers.items()}}

    def _fresh(self, x):
        """Containers hand one stream from layer to layer; arrays of numbers are in the precision of x, beside it."""
        v = primal(x)
        found = {
            k: like(a.astype(v.dtype), v) if getattr(a, "dtype", np.dtype(int)).kind == "f" else a
            for k, a in self.kwargs.items()
        }
        return found | ({"rng": Rng(self.kwargs["rng"])} if "rng" in self.kwargs else {})

    def __call__(self, p, x):
        return self.layer(self._with(p, x), x, **self._fresh(x))

    def forward(self, p, x):
        return self.layer.forward(self._with(p, x), x, **self._fresh(x))

    def jvp(self, p, x, dp, dx):
        return self.layer.push(self._with(p, x), x, dp, dx, **self._fresh(x))

    def vjp(self, p, x):
        return self.layer.vjp(self._with(p, x), x, **self._fresh(x))


INTEGERS = {
    "Embedding": (nn.Embedding(6, 3), RNG.integers(0, 6, (4, 2))),
    "Embedding with a row that stays": (nn.Embedding(6, 3, padding_idx=-2), np.array([[4, 1], [5, 4], [0, 0]])),
    "lstm_copy": (nn.networks.lstm_copy(6, 4, 3), RNG.integers(0, 6, (3, 2))),
    "Embedding in a model": (nn.Sequential(nn.Embedding(6, 3), nn.Tanh()), RNG.integers(0, 6, 5)),
}


def names_of(layers, losses):
    """The names of the classes in the catalogue."""
    found = {type(getattr(layer, "layer", layer)).__name__ for layer, _ in (layers | INTEGERS).values()}
    return found | {type(loss).__name__ for loss, *_ in losses.values()}


LAYERS = {
    "Linear": (nn.Linear(5, 3), (4, 5)),
    "Linear without bias": (nn.Linear(5, 3, bias=False), (4, 5)),
    "Linear on sequences": (nn.Linear(5, 3), (2, 4, 5)),
    "Linear on one example": (nn.Linear(5, 3), (5,)),
    "Linear on no examples": (nn.Linear(5, 3), (0, 5)),
    "ReLU": (nn.ReLU(), (4, 5)),
    "Tanh": (nn.Tanh(), (4, 5)),
    "Sequential": (nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 2)), (4, 5)),
    "LeakyReLU": (nn.LeakyReLU(0.1), (4, 5)),
    "ELU": (nn.ELU(0.7), (4, 5)),
    "SELU": (nn.SELU(), (4, 5)),
    "GELU": (nn.GELU(), (4, 5)),
    "GELU, tanh": (nn.GELU("tanh"), (4, 5)),
    "SiLU": (nn.SiLU(), (4, 5)),
    "Softplus": (nn.Softplus(), (4, 5)),
    "Softplus, steep": (nn.Softplus(beta=3.0, threshold=2.0), (4, 5)),
    "Sigmoid": (nn.Sigmoid(), (4, 5)),
    "CELU": (nn.CELU(0.7), (4, 5)),
    "Mish": (nn.Mish(), (4, 5)),
    "Softsign": (nn.Softsign(), (4, 5)),
    "LogSigmoid": (nn.LogSigmoid(), (4, 5)),
    "Tanhshrink": (nn.Tanhshrink(), (4, 5)),
    "ReLU6": (nn.ReLU6(), (4, 5)),
    "Hardsigmoid": (nn.Hardsigmoid(), (4, 5)),
    "Hardswish": (nn.Hardswish(), (4, 5)),
    "Hardshrink": (nn.Hardshrink(0.4), (4, 5)),
    "Softshrink": (nn.Softshrink(0.4), (4, 5)),
    "Threshold": (nn.Threshold(0.1, -2.0), (4, 5)),
    "PReLU": (nn.PReLU(), (2, 4, 5)),
    "PReLU of each feature": (nn.PReLU(5), (2, 4, 5)),
    "GLU": (nn.GLU(), (4, 6)),
    "HardTanh": (nn.HardTanh(-0.5, 0.8), (4, 5)),
    "Sine": (nn.Sine(3.0), (4, 5)),
    "Softmax": (nn.Softmax(), (2, 4, 5)),
    "Softmax of another axis": (nn.Softmax(1), (2, 4, 5)),
    "LogSoftmax": (nn.LogSoftmax(), (4, 5)),
    "LogSoftmax of another axis": (nn.LogSoftmax(dim=-2), (2, 4, 5)),
    "Conv2d": (nn.Conv2d(3, 4, 3), (2, 5, 6, 3)),
    "Conv2d, strided": (nn.Conv2d(3, 4, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2)), (2, 5, 6, 3)),
    "Conv2d, groups": (nn.Conv2d(4, 6, 2, groups=2, padding=1), (2, 3, 4, 4)),
    "Conv2d, depthwise": (nn.Conv2d(4, 4, 3, groups=4, padding="same", bias=False), (2, 3, 4, 4)),
    "Conv2d, no examples": (nn.Conv2d(3, 4, 3), (0, 5, 6, 3)),
    "Conv2d, reflected": (
        nn.Conv2d(3, 4, (3, 2), padding=(2, 1), dilation=(1, 2), padding_mode="reflect"),
        (2, 5, 6, 3),
    ),
    "Conv2d, replicated by groups": (nn.Conv2d(4, 6, 2, groups=2, padding=2, padding_mode="replicate"), (2, 3, 4, 4)),
    "Conv2d, circular": (nn.Conv2d(2, 3, 2, padding="same", padding_mode="circular"), (2, 3, 4, 2)),
    "Conv1d": (nn.Conv1d(3, 4, 3, stride=2, padding=1), (2, 7, 3)),
    "Conv1d, circular": (nn.Conv1d(3, 4, 3, padding=2, padding_mode="circular"), (2, 5, 3)),
    "ConvTranspose2d": (nn.ConvTranspose2d(3, 4, 3), (2, 3, 4, 3)),
    "ConvTranspose2d, strided": (
        nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2, dilation=2),
        (2, 3, 4, 4),
    ),
    "MaxPool2d": (nn.MaxPool2d(2), (2, 4, 6, 3)),
    "MaxPool2d, overlapping": (nn.MaxPool2d(3, stride=2, padding=1), (2, 5, 6, 3)),
    "MaxPool2d, dilated": (nn.MaxPool2d(2, stride=1, dilation=2), (2, 5, 6, 3)),
    "MaxPool2d, beyond the end": (nn.MaxPool2d(3, stride=2, ceil_mode=True), (2, 4, 6, 3)),
    "MaxPool1d": (nn.MaxPool1d(3, stride=2, padding=1), (2, 6, 3)),
    "AvgPool1d": (nn.AvgPool1d(3, stride=2, padding=1, count_include_pad=False), (2, 6, 3)),
    "AvgPool2d, beyond the end": (nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True), (2, 4, 6, 3)),
    "AvgPool2d, divided by 3": (nn.AvgPool2d(2, divisor_override=3), (2, 4, 6, 3)),
    "AdaptiveAvgPool1d": (nn.AdaptiveAvgPool1d(3), (2, 7, 3)),
    "AdaptiveAvgPool2d": (nn.AdaptiveAvgPool2d((3, None)), (2, 5, 4, 3)),
    "AdaptiveMaxPool1d": (nn.AdaptiveMaxPool1d(3), (2, 7, 3)),
    "AdaptiveMaxPool2d": (nn.AdaptiveMaxPool2d((3, 2)), (2, 5, 4, 3)),
    "Upsample": (nn.Upsample(scale_factor=1.7), (2, 3, 4, 3)),
    "Upsample, linear": (nn.Upsample(size=7, mode="linear"), (2, 4, 3)),
    "Upsample, bilinear": (nn.Upsample(scale_factor=(2, 0.5), mode="bilinear", align_corners=True), (2, 3, 4, 3)),
    "ZeroPad1d": (nn.ZeroPad1d((2, 1)), (2, 4, 3)),
    "ZeroPad2d": (nn.ZeroPad2d((0, 1, 2, 3)), (2, 4, 3, 2)),
    "ReflectionPad1d": (nn.ReflectionPad1d((2, 1)), (2, 4, 3)),
    "ReflectionPad2d": (nn.ReflectionPad2d((0, 1, 2, 3)), (2, 4, 3, 2)),
    "ReplicationPad1d": (nn.ReplicationPad1d((5, 1)), (2, 4, 3)),
    "ReplicationPad2d": (nn.ReplicationPad2d((0, 1, 2, 3)), (2, 4, 3, 2)),
    "CircularPad1d": (nn.CircularPad1d((2, 1)), (2, 4, 3)),
    "CircularPad2d": (nn.CircularPad2d((0, 1, 2, 3)), (2, 4, 3, 2)),
    "PixelShuffle": (nn.PixelShuffle(2), (2, 2, 3, 8)),
    "AvgPool2d": (nn.AvgPool2d(2), (2, 4, 6, 3)),
    "AvgPool2d, overlapping": (nn.AvgPool2d((3, 2), stride=1, padding=1), (2, 5, 6, 3)),
    "GlobalAvgPool2d": (nn.GlobalAvgPool2d(), (2, 4, 6, 3)),
    "Flatten": (nn.Flatten(), (2, 4, 3)),
    "Reshape": (nn.Reshape(3, -1), (2, 4, 3)),
    "Identity": (nn.Identity(), (4, 5)),
    "Bilinear": (nn.Bilinear(2, 3, 4), (4, 5)),
    "Bilinear on sequences": (nn.Bilinear(2, 3, 4, bias=False), (2, 4, 5)),
    "LayerNorm": (nn.LayerNorm(5), (4, 5)),
    "LayerNorm over two axes": (nn.LayerNorm((4, 5), bias=False), (2, 4, 5)),
    "LayerNorm without scale": (nn.LayerNorm(5, elementwise_affine=False), (2, 4, 5)),
    "RMSNorm": (nn.RMSNorm(5), (4, 5)),
    "GroupNorm": (nn.GroupNorm(2, 4), (2, 3, 3, 4)),
    "GroupNorm without scale": (nn.GroupNorm(2, 4, affine=False), (2, 4)),
    "InstanceNorm": (nn.InstanceNorm(3), (2, 4, 3)),
    "InstanceNorm of images": (nn.InstanceNorm(3, affine=True), (2, 4, 2, 3)),
    "InstanceNorm, eval": (Bound(nn.InstanceNorm(3, affine=True, track_running_stats=True)), (2, 4, 3)),
    "BatchNorm, eval": (Bound(nn.BatchNorm(5)), (4, 5)),
    "BatchNorm": (Bound(nn.BatchNorm(5), train=True), (4, 5)),
    "BatchNorm of images": (Bound(nn.BatchNorm(3, affine=False), train=True), (2, 4, 3, 3)),
    "Dropout, eval": (nn.Dropout(0.3), (4, 5)),
    "Dropout1d": (Bound(nn.Dropout1d(0.3), train=True, rng=4), (4, 2, 5)),
    "Dropout2d": (Bound(nn.Dropout2d(0.3), train=True, rng=4), (4, 2, 3, 5)),
    "Dropout": (Bound(nn.Dropout(0.3), train=True, rng=4), (4, 5)),
    "a model with modes": (
        Bound(
            nn.Sequential(nn.Linear(5, 4), nn.BatchNorm(4), nn.Residual(nn.Dropout(0.4), nn.Linear(4, 4)), nn.Tanh()),
            train=True,
            rng=1,
        ),
        (6, 5),
    ),
    "RNN": (nn.RNN(3, 4), (3, 2, 3)),
    "RNN, relu, last": (nn.RNN(3, 4, nonlinearity="relu", last_only=True), (3, 2, 3)),
    "LeakyRNN": (Bound(nn.LeakyRNN(3, 4)), (3, 2, 3)),
    "LeakyRNN, learned": (nn.LeakyRNN(3, 4, leak="learned", last_only=True), (3, 2, 3)),
    "GRU": (nn.GRU(3, 4), (3, 2, 3)),
    "GRU, last": (nn.GRU(3, 4, last_only=True), (3, 2, 3)),
    "LSTM": (nn.LSTM(3, 4), (3, 2, 3)),
    "LSTM, last": (nn.LSTM(3, 4, last_only=True), (3, 2, 3)),
    "LSTM, deep": (Bound(nn.LSTM(3, 2, num_layers=2, bidirectional=True, dropout=0.3), train=True, rng=4), (3, 2, 3)),
    "GRU, padded": (
        Bound(nn.GRU(3, 2, num_layers=2, bias=False, batch_first=True), lengths=np.array([3, 1])),
        (2, 3, 3),
    ),
    "RNN, padded, last": (Bound(nn.RNN(3, 2, bidirectional=True, last_only=True), lengths=np.array([1, 2])), (3, 2, 3)),
    "MultiHeadAttention": (nn.MultiHeadAttention(4, 2), (2, 3, 4)),
    "MultiHeadAttention, causal": (nn.MultiHeadAttention(4, 2, bias=False, causal=True), (2, 3, 4)),
    "MultiHeadAttention, masked": (
        Bound(
            nn.MultiHeadAttention(4, 2, causal=True, dropout=0.3),
            train=True,
            rng=3,
            key_padding_mask=np.array([[False, False, True], [True, True, False]]),
        ),
        (2, 3, 4),
    ),
    "CrossAttention": (
        Bound(nn.CrossAttention(4, 2), memory=RNG.standard_normal((2, 5, 4)).astype(np.float16)),
        (2, 3, 4),
    ),
    "TransformerBlock": (Bound(nn.TransformerBlock(4, 2, 6, dropout=0.2), train=True, rng=2), (2, 3, 4)),
    "PositionalEmbedding": (nn.PositionalEmbedding(5, 4), (2, 3, 4)),
    "PositionalEmbedding of sines": (nn.PositionalEmbedding(5, 3, learned=False), (2, 3, 3)),
    "Parameter": (nn.Parameter((2, 3), start=lambda rng, shape, dtype: rng.normal(shape, dtype=dtype)), (2, 4)),
    "Transposed": (nn.Transposed(nn.Linear(3, 5)), (2, 3, 4)),
    "LocalMixerBlock": (nn.LocalMixerBlock(3, 4, groups=2), (2, 3, 4)),
    "mlp": (nn.networks.mlp([5, 4, 3], nn.Tanh), (4, 5)),
    "conv_baydin": (nn.networks.conv_baydin(1, 4, 3, channels=2, hidden=5), (2, 4, 4, 1)),
    "resnet_small": (Bound(nn.networks.resnet_small(2, 3, 4, blocks=2), train=True), (2, 3, 3, 2)),
    "siren": (nn.networks.siren(2, 4, 2, 1, omega=3.0), (5, 2)),
    "LocalMixer": (nn.networks.LocalMixer(4, 2, 2, 3, channels=4, groups=2, blocks=2), (2, 4, 4, 2)),
    "Residual": (nn.Residual(nn.Linear(5, 5), nn.Tanh()), (4, 5)),
    "Residual with a shortcut": (nn.Residual(nn.Linear(5, 3), nn.Sigmoid(), shortcut=nn.Linear(5, 3)), (4, 5)),
    "Parallel": (nn.Parallel(nn.Linear(5, 3), nn.Tanh(), nn.Sequential(nn.Linear(5, 2), nn.ReLU())), (4, 5)),
    "Sequential, nested": (nn.Sequential(nn.Sequential(nn.Linear(5, 6), nn.ReLU()), nn.Linear(6, 2)), (4, 5)),
}
CLASSES = RNG.integers(0, 5, 4)
SOFT = RNG.dirichlet(np.ones(5), 4)
LOSSES = {
    "cross_entropy": (nn.cross_entropy, (4, 5), CLASSES),
    "cross_entropy, soft": (nn.cross_entropy, (4, 5), SOFT),
    "cross_entropy, unnormalised": (nn.cross_entropy, (4, 5), 2 * SOFT),
    "cross_entropy, sequences": (nn.cross_entropy, (2, 4, 5), RNG.integers(0, 5, (2, 4))),
    "cross_entropy, one example": (nn.cross_entropy, (5,), np.array(2)),
    "cross_entropy, smooth": (nn.cross_entropy.using(label_smoothing=0.2), (4, 5), CLASSES),
    "cross_entropy, soft and smooth": (nn.cross_entropy.using(label_smoothing=0.2), (4, 5), 2 * SOFT),
    "nll": (nn.nll, (4, 5), CLASSES),
    "mae": (nn.mae, (4, 5), RNG.standard_normal((4, 5))),
    "huber": (nn.huber, (4, 5), RNG.standard_normal((4, 5))),
    "huber, narrow": (nn.huber.using(delta=0.3), (2, 4, 5), RNG.standard_normal((2, 4, 5))),
    "bce_with_logits": (nn.bce_with_logits, (4, 5), RNG.random((4, 5))),
    "mse": (nn.mse, (4, 5), RNG.standard_normal((4, 5))),
    "mse of numbers": (nn.mse, (4,), RNG.standard_normal(4)),
    "cross_entropy, weighted": (
        nn.cross_entropy.using(weight=np.arange(5.0), ignore_index=CLASSES[0]), (4, 5), CLASSES,
    ),
    "nll, weighted": (
        nn.nll.using(weight=np.arange(1.0, 6.0)), (2, 4, 5), np.array([[0, -100, 3, 4], [1, 1, -100, 2]]),
    ),
    "bce_with_logits, weighted": (
        nn.bce_with_logits.using(weight=np.arange(5.0), pos_weight=np.arange(5.0)[::-1]), (4, 5), RNG.random((4, 5)),
    ),
    "smooth_l1": (nn.smooth_l1.using(beta=0.7), (4, 5), RNG.standard_normal((4, 5))),
    "hinge": (nn.hinge, (4, 5), np.where(RNG.random((4, 5)) < 0.5, -1.0, 1.0)),
    "kl_div": (nn.kl_div.using(reduction="batchmean", log_target=True), (4, 5), np.log(SOFT)),
    "gaussian_nll": (nn.gaussian_nll.using(log_var=True), (4, 6), RNG.standard_normal((4, 3))),
    "gaussian_nll, of a variance": (nn.gaussian_nll.using(var=0.4, full=True), (4, 5), RNG.standard_normal((4, 5))),
}  # fmt: skip
