"""Activations of torch.nn."""

from .rows import Row

LAST = {"dim": "the last axis"}

ACTIVATIONS = [
    *(Row(name, f"nn.{name}", test="weights") for name in "ReLU LeakyReLU ELU SELU GELU SiLU Sigmoid Tanh".split()),
    Row("Softplus", "nn.Softplus", test="weights"),
    Row("Hardtanh", "nn.HardTanh", test="weights", without={"min_value": "`min_val`", "max_value": "`max_val`"}),
    *(
        Row(name, f"nn.{name}", test="layers")
        for name in "ReLU6 CELU Mish PReLU Hardshrink Softshrink Tanhshrink Hardsigmoid Hardswish LogSigmoid Softsign "
        "Threshold".split()
    ),
    Row("GLU", "nn.GLU", test="layers", without=LAST),
    Row("Softmax", "nn.Softmax", test="weights"),
    Row("LogSoftmax", "nn.LogSoftmax", test="weights"),
    Row("Softmax2d", "nn.Softmax()({}, i)", "channels are the last axis", call="Softmax2d()(i)"),
    Row("Softmin", "nn.Softmax()({}, -x)", call="Softmin(-1)(x)"),
    Row("RReLU", "nn.LeakyReLU(11 / 48)({}, x)", "evaluated; no random slopes in training", call="RReLU().eval()(x)"),
]
ALONE = {"nn.Activation": "one of your own, by its curve", "nn.Sine": "sin ω x, of SIREN"}
