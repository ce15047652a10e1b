"""Losses of torch.nn, and what torch.nn.functional has beside them."""

from .rows import Row, absent

LOSSES = [
    Row("MSELoss", "nn.MSE", "`nn.mse`", "losses"),
    Row("L1Loss", "nn.MAE", "`nn.mae`", "losses"),
    Row("HuberLoss", "nn.Huber", "`nn.huber`", "losses"),
    Row("SmoothL1Loss", "nn.SmoothL1", "`nn.smooth_l1`", "losses"),
    Row("CrossEntropyLoss", "nn.CrossEntropy", "`nn.cross_entropy`; classes are the last axis", "losses"),
    Row("NLLLoss", "nn.NLL", "`nn.nll`; classes are the last axis", "losses"),
    *absent("NLLLoss2d", "torch's own is a name of the past, for `nn.nll`"),
    Row("BCEWithLogitsLoss", "nn.BCEWithLogits", "`nn.bce_with_logits`", "losses"),
    Row("BCELoss", "np.mean(-u * np.log(q) - (1 - u) * np.log1p(-q))", "of probabilities; `nn.bce_with_logits` of "
        "their logits keeps the digits", call="BCELoss()(q, u)"),
    Row("KLDivLoss", "nn.KLDiv", "`nn.kl_div`", "losses"),
    Row("GaussianNLLLoss", "nn.GaussianNLL", "`nn.gaussian_nll`", "losses"),
    Row("PoissonNLLLoss", "np.mean(np.exp(x) - u * x)", call="PoissonNLLLoss()(x, u)"),
    Row("SoftMarginLoss", "np.mean(np.logaddexp(0, -s * x))", "s is ±1", call="SoftMarginLoss()(x, s)"),
    Row("MultiLabelSoftMarginLoss", "nn.bce_with_logits(x, u)", "the same thing",
        call="MultiLabelSoftMarginLoss()(x, u)"),
    Row("HingeEmbeddingLoss", "np.mean(np.where(s > 0, x, np.maximum(0, 1 - x)))", "s is ±1",
        call="HingeEmbeddingLoss()(x, s)"),
    Row("MultiMarginLoss", "(np.sum(np.maximum(0, 1 + x - x[np.arange(4), c][:, None])) - 4) / 24",
        "of 4 examples of 6 classes c; the margin of the class itself is taken off", call="MultiMarginLoss()(x, c)"),
    Row("MarginRankingLoss", "np.mean(np.maximum(0, s * (y - x)))", "`nn.hinge(x - y, s, margin=0)`; s is ±1",
        call="MarginRankingLoss()(x, y, s)"),
    Row("TripletMarginLoss",
        "np.mean(np.maximum(0, 1 + np.linalg.norm(x - y + 1e-6, axis=-1) - np.linalg.norm(x - z + 1e-6, axis=-1)))",
        "an anchor x, one like it, one unlike it", call="TripletMarginLoss()(x, y, z)"),
    *absent("TripletMarginWithDistanceLoss", "as TripletMarginLoss, with your distance"),
    Row("CosineEmbeddingLoss",
        "(lambda d: np.mean(np.where(s[:, 0] > 0, 1 - d, np.maximum(0, d))))(np.sum(x * y, -1) / "
        "np.linalg.norm(x, axis=-1) / np.linalg.norm(y, axis=-1))", call="CosineEmbeddingLoss()(x, y, s[:, 0])"),
    *absent("MultiLabelMarginLoss", "lists of classes that end at -1; hardly used"),
    *absent("CTCLoss", "a sum over alignments, for which no rule is written yet"),
    *absent("AdaptiveLogSoftmaxWithLoss", "clusters of rare classes; `nn.cross_entropy` over all of them"),
    *absent("LinearCrossEntropyLoss", "`nn.cross_entropy` behind an `nn.Linear`: it saves memory in a backward pass"),
]  # fmt: skip
ALONE = {"nn.Loss": "a loss of your own, by `evaluate`", "nn.Hinge": "max(0, 1 − t z), of a score z and t = ±1"}

FUNCTIONS = [
    Row("one_hot", "np.eye(6)[c]", call="F.one_hot(c, 6)"),
    Row("normalize", "x / np.linalg.norm(x, axis=-1, keepdims=True)", call="F.normalize(x)"),
    Row("pad", "np.pad(x, ((0, 0), (1, 2)))", "widths of every axis, the first one first", call="F.pad(x, (1, 2))"),
    Row("cosine_similarity", "np.sum(x * y, -1) / np.linalg.norm(x, axis=-1) / np.linalg.norm(y, axis=-1)",
        call="F.cosine_similarity(x, y)"),
    Row("scaled_dot_product_attention", "nn.Softmax()({}, x @ y.T / np.sqrt(6)) @ z", "of six features",
        call="F.scaled_dot_product_attention(x, y, z)"),
    Row("pdist", "np.linalg.norm(x[np.triu_indices(4, 1)[0]] - x[np.triu_indices(4, 1)[1]], axis=-1)", "of four rows",
        call="F.pdist(x)"),
    *absent("gumbel_softmax", "`nn.Softmax()({}, (x + rng.gumbel(size=x.shape)) / tau)`, drawn before the jvp"),
    *absent("interpolate", "`nn.Upsample`"),
    *absent("grid_sample affine_grid", "no rule yet: places between pixels by index and weight in NumPy"),
]  # fmt: skip
