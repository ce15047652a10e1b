"""fit: a training loop in one call."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..checks import count, flag, positive_count
from ..nn.objective import Objective
from ..params import Params
from ..random import RngLike, as_rng
from ..tree import Tree, leaves
from .bars import bar_of
from .callbacks import as_callbacks
from .early_stopping import EarlyStopping
from .given import as_examples, as_metrics, require_objective
from .history import History
from .resuming import Keeper
from .run import AfterEpoch, Course, Run
from .updates import require_match


def fit(
    objective: Objective,
    params: Tree,
    data: Sequence[Any],
    *,
    estimator: Any,
    optimizer: Any,
    epochs: int,
    batch_size: int,
    rng: RngLike,
    validation: Sequence[Any] | None = None,
    metrics: Mapping[str, Callable[[Any, Any], Any]] | None = None,
    early_stopping: EarlyStopping | int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    callbacks: Sequence[Callable[[AfterEpoch], Any]] = (),
    progress: bool = True,
    shuffle: bool = True,
    drop_last: bool = False,
    axis: int | tuple[int, int] = 0,
) -> History:
    """Train ``params``, in place: for each batch an estimate of the gradient and a step of the optimizer.

    Parameters
    ----------
    objective : Objective
        A model and a loss, without a batch. A model that takes ``train`` is given True, and a stream where it
        draws: a function too, ``model(params, x, train=False, rng=None)``.
    params : Params, or tree of arrays
        They end as the last step leaves them; ``history.best`` has the best by validation.
    data : (x, y) or (x, y, keywords)
        As `dualgrad.nn.Objective.batches` takes them: arrays, or trees of them, with an example a row. The keywords, a
        dict, reach the model: lengths, masks of padding, and ``weights``.
    estimator : any of dg.estimators, or an object with ``estimate(objective, params, rng=)``
        `MeZO` makes its steps in place.
    optimizer : any of dg.optim, or an object with ``step(params, gradient)``
        For `MeZO` a plain ``SGD(lr)``, of which the rate or schedule is taken. What its groups freeze gets no
        directions; a `dualgrad.optim.plateau` is told ``val_loss`` after every epoch (what ``early_stopping`` watches,
        where it names another column; "loss" without validation).
    epochs : int
        Counted from the start of the run, also after it was resumed.
    batch_size : int
    rng : int, numpy.random.Generator or Rng
        Two streams are spawned from it: for order and Dropout, and for the estimator.
    validation : like data, optional
        Evaluated after every epoch, without ``train``, in batches of the same size; ``val_loss`` is the loss of all
        of it together, also where weights, class weights or ignored targets make examples count different amounts.
    metrics : dict of functions, optional
        ``metric(prediction, target)`` is one number a batch, as `dualgrad.nn.accuracy`; their means over the examples
        of the validation set are columns of the history.
    early_stopping : int or EarlyStopping, optional
        So many epochs in a row without a better ``val_loss`` end the run.
    checkpoint : path, optional
        Where the run is saved: at its start, after every epoch (after some, where a save takes more than a tenth of
        one), every few seconds in between, and on Ctrl-C. The same call goes on from there bit for bit, whatever the
        moment it was killed, and ``params`` are then those of the file; a run that is complete is returned at once.
        An estimator or optimizer of one's own that changes has ``state_dict`` and ``load_state_dict``.
    callbacks : functions
        Each is called with an `AfterEpoch` after every epoch; one that returns True ends the run. What one gathers is
        in the checkpoint where it is an object with ``state_dict`` and ``load_state_dict``.
    progress : bool
        A bar by tqdm where it is installed, else a line a second, on a terminal and in notebooks; elsewhere a line an
        epoch. On the standard error output.
    shuffle, drop_last, axis
        As in `dualgrad.nn.Objective.batches`.

    Returns
    -------
    History

    Raises
    ------
    ShapeError, TypeError, ValueError
        For arguments that do not fit each other; nothing has changed.
    CheckpointError
        Where the checkpoint is of another call: other data, settings or seed, but for ``epochs``, ``callbacks``,
        ``progress`` and the patience of ``early_stopping``, which may change. A function is told by its code and the
        numbers, arrays and functions it closes over. Nothing has changed.
    NonFiniteError
        And whatever else an update raises, with parameters and optimizer as the updates before have left them (by
        `MeZO` put back to within rounding). The error, and one of a callback, a metric or a save, has the history so
        far, ``error.history``.
    KeyboardInterrupt
        After Ctrl-C, between two updates, once the checkpoint is saved, with ``error.history``. A second Ctrl-C does
        not wait.

    Notes
    -----
    An epoch is this loop, to the bit::

        data, draws = dg.Rng(rng).spawn(2)                                # once, before the first epoch
        for batch in objective.batches(x, y, batch_size, rng=data, train=True):
            estimate = estimator.estimate(batch, params, rng=draws)
            model.update_buffers(params, batch.x, **batch.keywords())
            optimizer.step(params, estimate.gradient)

    but for ``update_buffers``, which takes a second pass: here the layers note the statistics of a batch in the pass
    that the estimate makes anyway, the first if it makes several.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> rng = dg.Rng(0)
    >>> x = rng.uniform(-1, 1, (600, 2), dtype=np.float32)
    >>> y = (np.sum(x * x, axis=1) < 0.6).astype(int)
    >>> model = dg.nn.Sequential(dg.nn.Linear(2, 32), dg.nn.Tanh(), dg.nn.Linear(32, 2))
    >>> params = model.init(rng=rng)
    >>> history = dg.fit(
    ...     dg.nn.Objective(model, dg.nn.cross_entropy), params, (x[:500], y[:500]),
    ...     estimator=dg.estimators.ForwardGradient(dg.directions.LowRank(), n=8), optimizer=dg.optim.Adam(0.02),
    ...     epochs=20, batch_size=50, validation=(x[500:], y[500:]), metrics={"accuracy": dg.nn.accuracy}, rng=rng,
    ...     progress=False)
    >>> history[-1]["accuracy"] > 0.9, history[-1]["updates"], history.stopped
    (True, 200, 'epochs')
    """
    require_match(estimator, optimizer)
    objective, params = require_objective(objective), _require_movable(params)
    if rng is None:
        raise TypeError("fit draws random numbers, for order and directions: pass rng=, a seed or dg.Rng(seed)")
    metrics = as_metrics(metrics)
    watched = _watched(early_stopping, validation, metrics)
    plan = Course(
        as_examples("data", objective, data, axis, train=True),
        None if validation is None else as_examples("validation", objective, validation, axis, train=False),
        positive_count("batch_size", batch_size, "a positive number of examples"), flag("shuffle", shuffle),
        flag("drop_last", drop_last), metrics, watched, early_stopping is not None, as_callbacks(callbacks),
        count("epochs", epochs, "a number of epochs, from 0 on"),
    )  # fmt: skip
    stream = as_rng(rng)
    run = Run(plan, params, estimator, optimizer, stream)
    keeper = Keeper(checkpoint, run, stream, axis)
    run.try_validation()
    keeper.load()
    run.train(bar_of(flag("progress", progress)), keeper)
    return run.history


def _require_movable(params):
    """Raise unless the leaves can be moved where they lie."""
    for leaf in [params.vector] if isinstance(params, Params) else leaves(params):
        if not getattr(getattr(leaf, "flags", None), "writeable", hasattr(leaf, "shape")):
            raise TypeError(
                f"fit trains params in place; got a leaf of {type(leaf).__name__}: give Params, or arrays that can be "
                "written, for a number np.array(0.5)"
            )
    return params


def _watched(early_stopping, validation, metrics):
    """What says which epoch is the best, and when it is over."""
    watched = early_stopping
    if not isinstance(early_stopping, EarlyStopping):
        watched = EarlyStopping(1 if early_stopping is None else early_stopping)
    known = {"loss"} if validation is None else {"loss", "val_loss", *metrics}
    if validation is None and metrics:
        raise ValueError(f"got metrics={sorted(metrics)}, which are taken on a validation set: pass validation=(x, y)")
    if early_stopping is not None and watched.metric not in known:
        raise ValueError(
            f"got early_stopping={early_stopping!r}, which watches {watched.metric!r}; there is {sorted(known)}: pass "
            "validation=(x, y), or EarlyStopping(patience, metric='loss')"
        )
    return watched
