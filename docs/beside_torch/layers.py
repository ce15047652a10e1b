"""Layers of torch.nn, but for activations and losses."""

from .rows import Row, absent, same

NO_VOLUMES = "images and signals alone: no volumes"
INDICES = {"return_indices": "the places of the largest are nobody's input here, as nothing unpools"}
MODE = {"padding_mode": "zeros alone: `np.pad` in front"}
WEIGHTS = {
    "sparse": "gradients are dense",
    "scale_grad_by_freq": "scale the gradient",
    "max_norm": "parameters change in `optimizer.step` alone",
    "norm_type": "of `max_norm`",
}
BIAS = {"bias": "`affine` for both"}
STATISTICS = {"track_running_stats": "always tracked; `GroupNorm` has none"}
LAST = {"batch_first": "`np.swapaxes(x, 0, 1)`: sequences are (T, B, n)"}
PROJECTION = {"proj_size": "a `Linear` behind it"}

AFFINE = [
    Row("Linear", "nn.Linear", "weight (in, out)", "weights"),
    Row("Bilinear", "nn.Bilinear", "of [u, v] side by side, one input", "weights"),
    Row("Embedding", "nn.Embedding", test="weights", without=WEIGHTS),
    Row("EmbeddingBag", "np.mean(w[k], axis=-2)", "w the table, k its rows; `sum` and `max` alike",
        call="F.embedding_bag(k, w)"),
    Row("Conv1d", "nn.Conv1d", "signals (B, L, C)", "weights"),
    Row("Conv2d", "nn.Conv2d", "images (B, H, W, C)", "weights"),
    Row("ConvTranspose2d", "nn.ConvTranspose2d", "images (B, H, W, C)", "weights",
        without={"padding_mode": "torch too has zeros alone there"}),
    *absent("ConvTranspose1d", "no rule yet: `nn.ConvTranspose2d` with a kernel (k, 1) of signals (B, L, 1, C)"),
    *absent("Conv3d ConvTranspose3d", NO_VOLUMES),
    Row("Unfold", "np.reshape(np.lib.stride_tricks.sliding_window_view(i, (2, 2), (1, 2)), (2, 15, 32))",
        "windows of 2 × 2, side by side", call="Unfold(2)(i)"),
    *absent("Fold", "the sum of windows where they overlap, inside of `nn.ConvTranspose2d`"),
]  # fmt: skip

POOLING = [
    Row("MaxPool1d", "nn.MaxPool1d", "signals (B, L, C)", "layers", without=INDICES),
    Row("MaxPool2d", "nn.MaxPool2d", "images (B, H, W, C)", "weights", without=INDICES),
    Row("AvgPool1d", "nn.AvgPool1d", "signals (B, L, C)", "layers"),
    Row("AvgPool2d", "nn.AvgPool2d", "images (B, H, W, C)", "weights"),
    Row("AdaptiveAvgPool1d", "nn.AdaptiveAvgPool1d", test="layers"),
    Row("AdaptiveAvgPool2d", "nn.AdaptiveAvgPool2d", "to one place: `nn.GlobalAvgPool2d`", "layers"),
    Row("AdaptiveMaxPool1d", "nn.AdaptiveMaxPool1d", test="layers", without=INDICES),
    Row("AdaptiveMaxPool2d", "nn.AdaptiveMaxPool2d", test="layers", without=INDICES),
    Row("LPPool2d", "np.sqrt(4 * nn.AvgPool2d(2)({}, i**2))", "of the norm 2 in 2 × 2", call="LPPool2d(2, 2)(i)"),
    Row("LPPool1d", "np.sqrt(2 * nn.AvgPool1d(2)({}, j**2))", "of the norm 2 in 2", call="LPPool1d(2, 2)(j)"),
    *absent("AvgPool3d MaxPool3d AdaptiveAvgPool3d AdaptiveMaxPool3d LPPool3d", NO_VOLUMES),
    *absent("MaxUnpool1d MaxUnpool2d MaxUnpool3d", "pools do not return places"),
    *absent("FractionalMaxPool2d FractionalMaxPool3d", "windows of random sizes, hardly used"),
]  # fmt: skip

SHAPE = [
    Row("Flatten", "nn.Flatten", "all axes but the first; other axes: `nn.Reshape`", "weights",
        without={"start_dim": "`nn.Reshape`", "end_dim": "`nn.Reshape`"}),
    Row("Unflatten", "nn.Reshape(2, 3)({}, x)", "the shape of one example", call="Unflatten(1, (2, 3))(x)"),
    Row("Identity", "nn.Identity", test="weights"),
    Row("Upsample", "nn.Upsample", test="layers", without={"recompute_scale_factor": "the factor is what is given"}),
    Row("UpsamplingNearest2d", "nn.Upsample(scale_factor=2)({}, i)", call="UpsamplingNearest2d(scale_factor=2)(i)"),
    Row("UpsamplingBilinear2d", 'nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)({}, i)',
        call="UpsamplingBilinear2d(scale_factor=2)(i)"),
    Row("PixelShuffle", "nn.PixelShuffle", test="layers"),
    Row("PixelUnshuffle",
        "np.reshape(np.transpose(np.reshape(i, (2, 2, 2, 3, 2, 8)), (0, 1, 3, 5, 2, 4)), (2, 2, 3, 32))",
        "of (2, 4, 6, 8) to (2, 2, 3, 32)", call="PixelUnshuffle(2)(i)"),
    Row("ChannelShuffle", "np.reshape(np.swapaxes(np.reshape(i, (2, 4, 6, 2, 4)), -1, -2), i.shape)", "of two groups",
        call="ChannelShuffle(2)(i)"),
    *(
        Row(f"{kind}Pad{n}d", f"nn.{kind}Pad{n}d", test="layers")
        for kind in ("Zero", "Reflection", "Replication", "Circular") for n in (1, 2)
    ),
    *(
        Row(f"{kind}Pad3d", f"np.pad(v, ((0, 0), (1, 1), (1, 1), (1, 1), (0, 0)){mode})", call=f"{kind}Pad3d(1)(v)")
        for kind, mode in (("Zero", ""), ("Reflection", ', mode="reflect"'), ("Replication", ', mode="edge"'),
                           ("Circular", ', mode="wrap"'))
    ),
    *(
        Row(f"ConstantPad{n}d", f"np.pad({a}, {widths}, constant_values=3.0)", call=f"ConstantPad{n}d(1, 3.0)({a})")
        for n, a, widths in (
            (1, "j", "((0, 0), (1, 1), (0, 0))"), (2, "i", "((0, 0), (1, 1), (1, 1), (0, 0))"),
            (3, "v", "((0, 0), (1, 1), (1, 1), (1, 1), (0, 0))"),
        )
    ),
    Row("CosineSimilarity", "np.sum(x * y, -1) / np.linalg.norm(x, axis=-1) / np.linalg.norm(y, axis=-1)",
        "not where one is 0", call="CosineSimilarity()(x, y)"),
    Row("PairwiseDistance", "np.linalg.norm(x - y + 1e-6, axis=-1)", call="PairwiseDistance()(x, y)"),
]  # fmt: skip

NORMS = [
    Row("LayerNorm", "nn.LayerNorm", test="weights"),
    Row("RMSNorm", "nn.RMSNorm", test="weights"),
    Row("GroupNorm", "nn.GroupNorm", test="weights", without=BIAS),
    *same("BatchNorm1d BatchNorm2d BatchNorm3d", "nn.BatchNorm", "of any number of axes; statistics advance by "
          "`model.update_buffers`, not in a call", "weights", without=BIAS | STATISTICS),
    *same("InstanceNorm1d InstanceNorm2d InstanceNorm3d", "nn.InstanceNorm", "of any number of axes", "layers",
          without=BIAS),
    *absent("SyncBatchNorm", "a worker normalises over its own rows"),
    *absent("LocalResponseNorm CrossMapLRN2d", "norms of batches and groups took its place"),
    Row("Dropout", "nn.Dropout", "with `train=True, rng=rng`; one mask for all calls of a batch", "weights"),
    Row("Dropout1d", "nn.Dropout1d", "whole channels", "masked"),
    Row("Dropout2d", "nn.Dropout2d", "whole channels", "masked"),
    *absent("Dropout3d", NO_VOLUMES),
    *absent("AlphaDropout FeatureAlphaDropout", "for networks of SELU alone; hardly used"),
]  # fmt: skip

SEQUENCES = [
    Row("RNN", "nn.RNN", "one bias, the sum of torch's two", "recurrent", without=PROJECTION),
    Row("GRU", "nn.GRU", "", "recurrent", without=PROJECTION),
    Row("LSTM", "nn.LSTM", "one bias, the sum of torch's two", "recurrent", without=PROJECTION),
    Row("RNNCell", "nn.RNNCell", "`cell(p, h, x)`", "cells"),
    Row("GRUCell", "nn.GRUCell", "`cell(p, h, x)`", "cells"),
    Row("LSTMCell", "nn.LSTMCell", "`cell(p, (h, c), x)`", "cells"),
    *absent("RNNBase", "`nn.RNN`, `nn.GRU` and `nn.LSTM`"),
    *absent("RNNCellBase", "`nn.Cell`"),
    Row("MultiheadAttention", "nn.MultiHeadAttention", "of (B, L, E) to itself; to a memory `nn.CrossAttention`; "
        "`key_padding_mask`, `attn_mask` in the call", "attention", without={
        "add_bias_kv": "append a row to the keys", "add_zero_attn": "append a row of zeros",
        "kdim": "project the keys in front", "vdim": "project the values in front", "batch_first": "always"}),
    Row("TransformerEncoderLayer", "nn.TransformerBlock", "norms first, GELU: what torch does with "
        '`norm_first=True, activation="gelu"`', "weights",
        renamed={"d_model": "embed_dim", "nhead": "num_heads", "dim_feedforward": "hidden_dim"}, without={
            "activation": "GELU", "norm_first": "always", "batch_first": "always", "layer_norm_eps": "1e-5",
            "bias": "always"}),
    *absent("TransformerEncoder", "`nn.Sequential(nn.TransformerBlock(...), ..., nn.LayerNorm(n))`"),
    *absent("TransformerDecoderLayer TransformerDecoder Transformer", "no ready block: `nn.CrossAttention` in an "
            "`nn.Container`; decoders without an encoder by `causal=True`"),
]  # fmt: skip

CONTAINERS = [
    Row("Module", "nn.Layer", "holds no arrays: parameters are the first argument of every call; a model made of "
        "layers is an `nn.Container`", "own"),
    Row("Sequential", "nn.Sequential", "also `nn.Residual`, `nn.Parallel`", "models"),
    *absent("ModuleList ModuleDict", "`nn.Container`; `nn.Sequential`, `nn.Residual` and `nn.Parallel`"),
    *absent("ParameterList ParameterDict", "`dg.Params`, a mapping of names to arrays"),
    *absent("Container", "torch's own is a name of the past, for `nn.Layer`; ours is a model made of layers"),
    *absent("DataParallel", "`dg.workers`: what travels is slopes, one number a direction"),
    *absent("LazyLinear LazyConv1d LazyConv2d LazyConv3d LazyConvTranspose1d LazyConvTranspose2d LazyConvTranspose3d "
            "LazyBatchNorm1d LazyBatchNorm2d LazyBatchNorm3d LazyInstanceNorm1d LazyInstanceNorm2d LazyInstanceNorm3d",
            "sizes are said: parameters are made before a batch is seen"),
]  # fmt: skip

TABLES = {
    "Affine layers and convolutions": AFFINE,
    "Pooling": POOLING,
    "Shape, padding, distance": SHAPE,
    "Norms and dropout": NORMS,
    "Sequences": SEQUENCES,
    "Containers": CONTAINERS,
}
ALONE = {
    "nn.GlobalAvgPool2d": "the mean over all places, (B, H, W, C) to (B, C)",
    "nn.Container": "a model made of layers, called as you like: torch's Module with children",
    "nn.Residual": "x + f(x)", "nn.Parallel": "branches side by side", "nn.Transposed": "on the last axis but one",
    "nn.Reshape": "any shape of an example", "nn.LocalMixerBlock": "patches that train by local losses",
    "nn.LeakyRNN": "units that leak, fixed or learned", "nn.LeakyRNNCell": "its step", "nn.Cell": "a step of your own",
    "nn.CrossAttention": "attention to a memory, torch's MultiheadAttention of three inputs",
    "nn.PositionalEmbedding": "learned positions, added", "nn.Parameter": "an array to learn, as a layer",
}  # fmt: skip
