"""Activations of torch.nn."""

from .rows import Row

DIM = {"dim": "the last axis: `np.swapaxes` around it for others"}

ACTIVATIONS = [
    *(Row(name, f"nn.{name}", test="weights") for name in "ReLU LeakyReLU ELU SELU GELU SiLU Sigmoid Tanh".split()),
    Row("Softplus", "nn.Softplus", test="weights"),
    Row("Hardtanh", "nn.HardTanh", test="weights", without={"min_value": "`min_val`", "max_value": "`max_val`"}),
    Row("ReLU6", "nn.HardTanh(0, 6)({}, 9 * x)", "here of 9 x", call="ReLU6()(9 * x)"),
    Row("Mish", "nn.Mish", test="layers"),
    Row("PReLU", "nn.PReLU", test="layers"),
    Row("Softmax", "nn.Softmax", test="weights", without=DIM),
    Row("LogSoftmax", "nn.LogSoftmax", test="weights", without=DIM),
    Row("Softmax2d", "nn.Softmax()({}, i)", "channels are the last axis", call="Softmax2d()(i)"),
    Row("Softmin", "nn.Softmax()({}, -x)", call="Softmin(-1)(x)"),
    Row("CELU", "np.where(x > 0, x, 2 * np.expm1(np.minimum(x, 0) / 2))", "of alpha = 2", call="CELU(2.0)(x)"),
    Row("GLU", "x[:, :3] / (1 + np.exp(-x[:, 3:]))", "of six features", call="GLU()(x)"),
    Row("Hardshrink", "np.where(abs(x) > 0.5, x, 0)", call="Hardshrink()(x)"),
    Row("Softshrink", "x - np.clip(x, -0.5, 0.5)", call="Softshrink()(x)"),
    Row("Tanhshrink", "x - np.tanh(x)", call="Tanhshrink()(x)"),
    Row("Hardsigmoid", "np.clip(x / 6 + 0.5, 0, 1)", call="Hardsigmoid()(x)"),
    Row("Hardswish", "x * np.clip(x / 6 + 0.5, 0, 1)", call="Hardswish()(x)"),
    Row("LogSigmoid", "-np.logaddexp(0, -x)", call="LogSigmoid()(x)"),
    Row("Softsign", "x / (1 + abs(x))", call="Softsign()(x)"),
    Row("Threshold", "np.where(x > 0.1, x, 20.0)", call="Threshold(0.1, 20.0)(x)"),
    Row("RReLU", "nn.LeakyReLU(11 / 48)({}, x)", "evaluated; no random slopes in training", call="RReLU().eval()(x)"),
]
ALONE = {"nn.Activation": "one of your own, by its curve", "nn.Sine": "sin ω x, of SIREN"}
