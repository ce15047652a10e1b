"""What torch and Keras call it: the cure in an AttributeError for a name that people bring along."""

from collections.abc import Mapping

NN = {
    "Module": "nn.Layer for a layer of your own, nn.Container for a model made of layers",
    "ModuleDict": "nn.Container",
    "ModuleList": "nn.Sequential, or nn.Container({...})",
    "functional": "functions are NumPy's, losses nn.mse and its kin; layers without parameters go by nn.ReLU()({}, x)",
    "init": "nn.initialise(params, name, rng=rng)",
    "utils": "clip_norm= and clip_value= of the optimizers; params.vector",
    "Dense": "nn.Linear",
    "Hardtanh": "nn.HardTanh",
    "MultiheadAttention": "nn.MultiHeadAttention",
    "TransformerEncoderLayer": "nn.TransformerBlock",
} | {
    name + suffix: f"nn.{name}, of any number of axes"
    for name in ("BatchNorm", "InstanceNorm")
    for suffix in ("1d", "2d", "3d")
} | {
    theirs + "Loss": f"nn.{function}, or its class nn.{kind}"
    for theirs, kind, function in (
        ("MSE", "MSE", "mse"), ("L1", "MAE", "mae"), ("Huber", "Huber", "huber"),
        ("SmoothL1", "SmoothL1", "smooth_l1"), ("CrossEntropy", "CrossEntropy", "cross_entropy"), ("NLL", "NLL", "nll"),
        ("BCEWithLogits", "BCEWithLogits", "bce_with_logits"), ("KLDiv", "KLDiv", "kl_div"),
        ("GaussianNLL", "GaussianNLL", "gaussian_nll"),
    )
}  # fmt: skip

OPTIM = {
    "lr_scheduler": "schedules are functions of the step in dg.optim: Adam(lr=optim.cosine(1e-3, steps=1000))",
    "swa_utils": "optim.Averaged",
    "LinearLR": "optim.linear",
    "StepLR": "optim.step",
    "MultiStepLR": "optim.multistep",
    "ExponentialLR": "optim.exponential",
    "CosineAnnealingLR": "optim.cosine",
    "CosineAnnealingWarmRestarts": "optim.cosine_restarts",
    "OneCycleLR": "optim.one_cycle",
    "ReduceLROnPlateau": "optim.plateau",
}

LAYER = {
    "_shapes": "call super().__init__({name: layer, ...}) first, which names its parameters",
    "children": "call super().__init__({name: layer, ...}) first",
    "compile": "dg.fit takes estimator and optimizer",
    "double": "model.init(rng=rng, dtype=np.float64)",
    "forward": "define forward(self, p, x), which returns the layer's output",
    "eval": "a call without train=True is in evaluation mode: model(params, x)",
    "evaluate": "dg.evaluate(nn.Objective(model, loss), params, (x, y))",
    "fit": "dg.fit(nn.Objective(model, loss), params, (x, y), ...)",
    "load_state_dict": "params = nn.from_torch(state, model), or dg.load(path)",
    "named_parameters": "params.items(), where params = model.init(rng=rng)",
    "parameters": "params = model.init(rng=rng) holds them; params.values(), params.vector",
    "predict": "model(params, x)",
    "requires_grad_": 'freeze by groups={"0.*": {"lr": 0}} of the optimizer',
    "save": "dg.save(path, params); the model is code",
    "save_weights": "dg.save(path, params)",
    "state_dict": "parameters are beside the model: dg.save(path, params), nn.to_torch(params, model)",
    "to": "params.to(cupy)",
    "train": "training mode is an argument: model(params, x, train=True, rng=rng); a loop is dg.fit",
    "zero_grad": "nothing accumulates: leave it out",
}

OPTIMIZER = {
    "param_groups": 'groups={"*.bias": {"weight_decay": 0}}, and lr, which may be set',
    "zero_grad": "nothing accumulates: leave it out",
    "minimize": "optimizer.step(params, estimate.gradient)",
    "apply_gradients": "optimizer.step(params, estimate.gradient)",
    "update": "optimizer.step(params, estimate.gradient)",
}


def without(what: str, name: str, cures: Mapping[str, str]) -> str:
    """The text of the AttributeError for a name that something has not."""
    return f"{what} has no attribute {name!r}" + (f": {cures[name]}" if name in cures else "")
