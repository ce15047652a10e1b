"""`dg.fit` with groups: frozen parameters stay to the bit under every estimator, the others go as in the loop by hand;
and rates that fall on a plateau are told the epochs, and go on from a checkpoint.
"""

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import estimators, nn, optim
from dualgrad.estimators.mezo import MeZO
from tests.support.training import ESTIMATORS, PLACES, X, Y, of_network, same


@pytest.mark.parametrize("name", ESTIMATORS)
def test_what_is_frozen_stays_under_every_estimator(name):
    make, place = ESTIMATORS[name]
    objective, data = PLACES[place]()
    start = objective.model.init(rng=1, dtype=np.float64)
    axis = 1 if len(data[0].shape) == 3 else 0
    groups = {"1.*" if axis else "0.*": {"lr": 0}}  # a recurrent layer moves: candidates look at it
    found = []
    for by_hand in (False, True):
        params, optimizer = start.copy(), optim.SGD(0.05, groups=groups)
        estimator = estimators.MeZO() if name == "MeZO.estimate" else make()
        frozen = optimizer.frozen(params)
        assert 0 < len(frozen) < len(params)
        try:
            if by_hand:
                loop(objective, params, data, estimator, optimizer, frozen, axis)
            else:
                dg.fit(objective, params, data, estimator=estimator, optimizer=optimizer, epochs=2, batch_size=4,
                       axis=axis, rng=7, progress=False)  # fmt: skip
        except dg.DualgradError as error:  # an estimator that knows no frozen parameters says so
            found.append(str(error))
            continue
        assert all(np.array_equal(params[n], start[n]) == (n in frozen) for n in params)
        found.append(params)
    fitted, expected = found
    assert type(fitted) is type(expected)
    assert fitted == expected if isinstance(fitted, str) else same(fitted, expected)


def loop(objective, params, data, estimator, optimizer, frozen, axis):
    stream, draws = dg.Rng(7).spawn(2)
    train = {"train": True} if "train" in objective.model.takes else {}
    for _ in range(2):
        for batch in objective.batches(*data, 4, rng=stream, axis=axis, **train):
            if isinstance(getattr(estimator, "base", estimator), MeZO):
                estimator.step(batch, params, lr=0.05, rng=draws, frozen=frozen)
            else:
                optimizer.step(params, estimator.estimate(batch, params, rng=draws, frozen=frozen).gradient)


def test_running_statistics_move_where_parameters_are_frozen():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm(4), nn.Tanh(), nn.Linear(4, 2))
    start, ends = model.init(rng=0, dtype=float), []
    for optimizer in (optim.Adam(0.0), optim.Adam(0.1, groups={"[01].*": {"lr": 0}})):
        params = start.copy()
        dg.fit(nn.Objective(model, nn.mse), params, (X, Y), estimator=estimators.Backprop(), optimizer=optimizer,
               epochs=1, batch_size=14, rng=0, progress=False)  # fmt: skip
        ends.append(params)
    assert same(ends[0].buffers, ends[1].buffers)
    assert not same(ends[0].buffers, start.buffers)


def test_in_place_steps_take_no_other_groups():
    objective, data = of_network()
    params = objective.model.init(rng=0, dtype=float)
    for groups in ({"0.*": {"lr": 0.1}}, {"0.*": {"lr": 0, "momentum": 0.9}}, {"0.*": {"weight_decay": 0.1}}):
        with pytest.raises(TypeError, match="its rate, and what is frozen"):
            dg.fit(objective, params, data, estimator=MeZO(), optimizer=optim.SGD(0.1, groups=groups), epochs=1,
                   batch_size=4, rng=0, progress=False)  # fmt: skip


class Wandering:
    """A gradient that leads nowhere: the validation loss rises and falls."""

    def estimate(self, objective, params, *, rng):
        gradient = rng.normal(params.size)
        return estimators.Estimate(objective(params), params.at(gradient))


@pytest.mark.parametrize("validation", [True, False])
def test_a_plateau_is_told_the_epochs_and_goes_on(tmp_path, validation):
    objective, (x, y) = of_network()
    start, ends = objective.model.init(rng=0, dtype=float), []
    for stops in ([9], [3, 4, 9]):
        params = start.copy()
        for epochs in stops:
            optimizer = optim.Adam(
                optim.plateau(0.1, factor=0.5, patience=0), groups={"0.*": {"lr": optim.plateau(0.2, patience=1)}}
            )
            history = dg.fit(
                objective, params, (x[:9], y[:9]), estimator=Wandering(), optimizer=optimizer, epochs=epochs,
                batch_size=4, validation=(x[9:], y[9:]) if validation else None, rng=0, progress=False,
                checkpoint=tmp_path / f"{len(stops)}.npz",
            )  # fmt: skip
        ends.append((params, history, optimizer.state_dict()))
    schedule, expected = optim.plateau(0.1, factor=0.5, patience=0), []
    for row in ends[0][1]:
        expected.append(schedule(0))
        schedule.observe(row["val_loss" if validation else "loss"])
    assert ends[0][1]["lr"] == expected
    assert len(set(expected)) > 2
    assert same(ends[0][0], ends[1][0])
    assert ends[0][1]["lr"] == ends[1][1]["lr"]
    assert ends[0][2]["schedules"] == ends[1][2]["schedules"]
