"""Names and arguments that the tables count on before they are there: empty where a version is complete."""

AWAITED = {
    *(f"nn.{kind}Pad{n}d" for kind in ("Zero", "Reflection", "Replication", "Circular") for n in (1, 2)),
    *(f"nn.{name}" for name in "ReLU6 CELU Hardshrink Softshrink Tanhshrink Hardsigmoid Hardswish LogSigmoid Softsign "
      "Threshold GLU PixelShuffle Dropout1d Dropout2d".split()),
    "nn.Softmax(dim)", "nn.LogSoftmax(dim)", "nn.AvgPool2d(divisor_override)",
    "nn.MaxPool1d", "nn.AvgPool1d", "nn.AdaptiveAvgPool1d", "nn.AdaptiveAvgPool2d", "nn.AdaptiveMaxPool1d",
    "nn.AdaptiveMaxPool2d", "nn.Upsample", "nn.PReLU", "nn.Mish", "nn.InstanceNorm", "nn.Parameter",
    "nn.PositionalEmbedding", "nn.SmoothL1", "nn.KLDiv", "nn.GaussianNLL", "nn.Hinge", "optim.Averaged",
    "optim.plateau", "dg.fit",
    "nn.Objective.batches", "tests/nn/test_layers_beside_torch.py", "tests/nn/test_losses_of_torch.py",
    "tests/nn/test_recurrent_of_torch.py", "tests/nn/test_attention_of_torch.py", "nn.CrossAttention",
    *(f"nn.{name}({argument})" for name, arguments in {
        "Conv1d": "padding_mode", "Conv2d": "padding_mode", "MaxPool2d": "ceil_mode",
        "AvgPool2d": "ceil_mode count_include_pad", "Embedding": "padding_idx",
        "CrossEntropy": "weight ignore_index", "NLL": "weight ignore_index", "BCEWithLogits": "weight pos_weight",
        **dict.fromkeys(("RNN", "GRU", "LSTM"), "num_layers bias dropout bidirectional batch_first"),
        "RNNCell": "bias", "GRUCell": "bias", "LSTMCell": "bias", "MultiHeadAttention": "dropout",
    }.items() for argument in arguments.split()),
    "optim.Adam(groups)",
}  # fmt: skip
