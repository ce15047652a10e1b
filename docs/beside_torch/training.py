"""Optimizers and schedules of torch.optim."""

from .rows import Row, absent

DECOUPLED = {"decoupled_weight_decay": "`optim.AdamW`"}
NO_DECOUPLED = {"decoupled_weight_decay": "L2 alone"}
NO_MOMENTUM = dict.fromkeys(("cycle_momentum", "base_momentum", "max_momentum"), "momentum is a number, set by hand")

OPTIMIZERS = [
    Row("SGD", "optim.SGD", test="optimizers"),
    Row("Adam", "optim.Adam", test="optimizers", without=DECOUPLED),
    Row("AdamW", "optim.AdamW", test="optimizers"),
    Row("NAdam", "optim.NAdam", test="optimizers", without=NO_DECOUPLED),
    Row("RAdam", "optim.RAdam", test="optimizers", without=NO_DECOUPLED),
    Row("RMSprop", "optim.RMSprop", test="optimizers"),
    Row("Adagrad", "optim.Adagrad", test="optimizers"),
    *absent("Optimizer", "any object with `step(params, gradient)` will do"),
    *absent("ASGD", "averages of weights are `optim.Averaged`, beside any optimizer"),
    *absent("Adadelta", "RMSprop and Adam took its place"),
    *absent("Adamax", "divides by the largest gradient so far, which of random estimates is that of the worst draw"),
    *absent("Rprop", "goes by whether signs repeat, which those of a random estimate do by chance; for whole batches"),
    *absent("LBFGS", "line searches need the gradient itself: `scipy.optimize.minimize` with `jac=dg.grad(f)`"),
    *absent("SparseAdam", "estimates are dense: a direction moves every parameter"),
    *absent("Adafactor", "not yet: second moments in factors, for models larger than NumPy trains"),
    *absent("Muon", "not yet: the momentum of a matrix made orthogonal"),
]
SCHEDULES = [
    Row("LinearLR", "optim.linear", test="schedules"),
    Row("StepLR", "optim.step", test="schedules"),
    Row("MultiStepLR", "optim.multistep", test="schedules"),
    Row("ExponentialLR", "optim.exponential", test="schedules", without={"gamma": "`decay` is −log gamma"}),
    Row("CosineAnnealingLR", "optim.cosine", "stays at its end; torch's rises again", "schedules",
        renamed={"T_max": "steps", "eta_min": "final"}),
    Row("CosineAnnealingWarmRestarts", "optim.cosine_restarts", test="schedules"),
    Row("OneCycleLR", "optim.one_cycle", test="schedules", renamed={"max_lr": "lr", "total_steps": "steps"},
        without=NO_MOMENTUM | {"epochs": "`steps`", "steps_per_epoch": "`steps`"}),
    Row("ReduceLROnPlateau", "optim.plateau", "told of an epoch by `optimizer.observe(value)`", "plateau"),
    Row("ConstantLR", "lambda t: 0.3 * (0.5 if t <= 4 else 1)", call="ConstantLR(o, 0.5, 4)"),
    Row("PolynomialLR", "lambda t: 0.3 * (1 - min(t - 1, 8) / 8) ** 2", call="PolynomialLR(o, 8, 2.0)"),
    Row("LambdaLR", "lambda t: 0.3 * 0.9 ** (t - 1)", "any function of t = 1, 2, ...",
        call="LambdaLR(o, lambda epoch: 0.9**epoch)"),
    Row("MultiplicativeLR", "lambda t: 0.3 * 0.95 ** (t - 1)", "the product written out",
        call="MultiplicativeLR(o, lambda epoch: 0.95)"),
    Row("CyclicLR", "lambda t: 0.1 + 0.2 * (1 - abs((t - 1) % 8 / 4 - 1))", "a triangle of 4 steps up and 4 down",
        call="CyclicLR(o, 0.1, 0.3, 4, cycle_momentum=False)"),
    Row("SequentialLR", "lambda t: optim.linear(0.3)(t) if t <= 5 else optim.step(0.3, 4)(t - 5)",
        "`optim.warmup(steps, then)` for a rise from 0",
        call="SequentialLR(o, [rates.LinearLR(o), rates.StepLR(o, 4)], [5])"),
    Row("ChainedScheduler", "lambda t: optim.linear(0.3)(t) * optim.step(1, 4)(t)", "a product",
        call="ChainedScheduler([rates.LinearLR(o), rates.StepLR(o, 4)])"),
    *absent("LRScheduler", "a rate is a number or any function of t = 1, 2, ..."),
]  # fmt: skip
ALONE = {
    "optim.Lion": "signs of a momentum (Chen et al. 2023)", "optim.StableAdamW": "AdamW that slows at large gradients",
    "optim.KalmanQDOP": "a Kalman filter of the gradient, along directions",
    "optim.Averaged": "torch's `AveragedModel`, below", "optim.constant": "a number, as a schedule",
    "optim.inverse_sqrt": "lr / √t", "optim.warmup": "a rise to another schedule",
}  # fmt: skip
