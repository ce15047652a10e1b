"""Guessing gradients: perturb what comes out of the layers, example by example, in directions the network suggests.

A gradient with respect to a weight matrix is made of outer products δ xᵀ, with x the layer's input, which is known, and
δ = ∂L_b/∂s the derivative by its output s, which is not. Guess y for δ, one for each example b and layer k; one pass
gives every example its slope d_b = Σ_k δ_bk·y_bk; and d_b y_bk stands for δ_bk in the layer's own pullback. What lies
behind the layer shapes the guess, so that it falls where δ may fall:

======================== ========================= ===========================================
class                    guess y                   E ĝ at the layer's output
======================== ========================= ===========================================
`ActivationPerturbation` ξ                         δ: unbiased
`ActivationMixing`       D A x′, normalised        -
`TransposedWeight`       D W ξ                     M δ, M = D W Wᵀ D
`Downstream`             Jᵀ ξ                      M δ, M = Jᵀ J
`SelfSharpening`         Jᵀ ξ, ξ uniform on [0, 1) Jᵀ J δ/12 + μ Σ δ·μ over layers, μ = Jᵀ 1/2
======================== ========================= ===========================================

D is the slope of the activation behind the layer, W the next layer's weight, x′ its input, J the derivative of a layer
further on by s, ξ noise. (Singhal et al. 2023, *How to Guess a Gradient*; Ren et al. 2022 for the first.)
"""

import numpy as np

from ..checks import flag, positive_count, real_number
from ..directions.vectors import as_tree, as_vector
from ..errors import DualgradError
from ..nn.layer import with_buffers
from ..nn.linear import Linear
from ..random import as_rng
from ..tree import map_leaves
from ..zero import ZERO
from .candidates import Oracle
from .chain import Total, Walk, chains_of
from .estimate import Estimator, as_params, finished, require_finite, require_scalar


class _Guess(Estimator):
    """What all guesses share: the pass with a slope for every example, and the update by local outer products."""

    ahead = 0.0  # what a guess costs, in forward passes

    def __init__(self, noise="normal", n=1, store=False, local=False):
        if not isinstance(noise, str) or noise not in ("normal", "signs"):
            raise ValueError(f"got noise={noise!r}; expected 'normal' or 'signs'")
        self.noise, self.n = noise, positive_count("n", n, "a positive number of guesses")
        self.store, self.local = flag("store", store), flag("local", local)

    def __repr__(self):
        said = [f"{name}={getattr(self, name)!r}" for name in self.settings]
        said += [f"noise={self.noise!r}"] if self.noise != "normal" else []
        said += [f"n={self.n}"] if self.n != 1 else []
        said += [f"{name}=True" for name in ("store", "local") if getattr(self, name)]
        return f"{type(self).__name__}({', '.join(said)})"

    settings = ()

    # ------------------------------------------------------------------ the guess

    def _end(self, walk, k):
        """Where noise is drawn: at the input of this step."""
        return k + 1

    def _draw(self, rng, shape, x):
        """Noise of a shape, of the kind of x."""
        return (rng.signs if self.noise == "signs" else rng.normal)(shape, dtype=x.dtype, like=x)

    def _guess(self, walk, k, rng):
        """y at the output of step k: noise drawn further on, taken back."""
        end = self._end(walk, k)
        x = walk.value(end)
        return walk.pull(k + 1, end, self._draw(rng, x.shape, x))

    def _known(self, walk, k):
        """Whether the derivative at step k is taken from the loss instead of guessed."""
        return False

    def _require(self, objective):
        """What the method needs of the model and the batch."""

    # ------------------------------------------------------------------ the estimate

    def estimate(self, objective, params, *, rng):
        """The loss and the estimate for a bound network.

        Raises
        ------
        DualgradError
            When the objective is not bound, a layer couples examples, or the model lacks a layer that is needed.
        NonFiniteError
            When the loss or a slope is NaN or infinite.
        """
        rng, params, x = as_rng(rng), as_params(params), objective_input(self, objective)
        value, slopes, total = 0.0, 0.0, Total(params)
        chains = chains_of(self, objective, self.local)
        self._require(objective)
        objective.model.require(with_buffers(params))
        objective.model.accepted(objective._keywords())
        for chain in chains:
            start, walk = rng.state_dict(), Walk(chain, params, x, objective._keywords())
            loss, error, d, guesses = self._slopes(walk, chain, rng)
            if not self.store:  # the values and guesses again, and each layer's pullback as it passes
                rng.load_state_dict(start)
                walk = Walk(chain, params, x, objective._keywords())
            self._update(total, walk, rng, d, guesses, error)
            value, slopes, x = value + loss, slopes + d, walk.trunk
        require_finite(self, value, slopes)
        passes = 1 if self.store else 2
        cost = passes + self.n + 1 + passes * self.n * min(self.ahead, len(walk.sites))
        return finished(self, value, total.finished(), slopes, cost)

    def _slopes(self, walk, chain, rng):
        """A pass with tangents: the loss, its derivative at the output, d_b ``(n, B)``, and the guesses if stored."""
        dx, stack, guesses = ZERO, [], {}
        for k in range(len(walk.steps)):
            dx = walk.push(k, dx, stack)
            if k in walk.sites and not self._known(walk, k):
                guesses[k] = np.stack([self._guess(walk, k, rng) for _ in range(self.n)])
                dx = guesses[k] if dx is ZERO else dx + guesses[k]
            if not self.store:
                guesses.clear()
                walk.leave(k)
        z = walk.value(len(walk.steps))
        loss, error = chain.loss(z)
        require_scalar(self, loss)
        d = np.zeros_like(z, shape=(self.n, len(z))) if dx is ZERO else np.sum(dx * error, tuple(range(2, dx.ndim)))
        return loss, error, d, guesses

    def _update(self, total, walk, rng, d, guesses, error):
        """d_b y_b in each layer's own pullback, averaged over the guesses."""
        for k in range(len(walk.steps)):
            walk.value(k + 1)
            if k in walk.sites:
                cotangent = self._cotangent(walk, k, rng, d, guesses, error)
                walk.gradient(k, cotangent, total)
            walk.leave(k)

    def _cotangent(self, walk, k, rng, d, guesses, error):
        if self._known(walk, k):
            return walk.pull(k + 1, len(walk.steps), error)
        total = 0.0
        for i in range(self.n):
            y = guesses[k][i] if self.store else self._guess(walk, k, rng)
            total = total + np.reshape(d[i], (-1,) + (1,) * (y.ndim - 1)) * y
        return total / self.n

    # ------------------------------------------------------------------ theory

    def expectation(self, gradient, objective=None, params=None):
        """M δ in every layer's own pullback. Needs the objective and params."""
        sites, expected = list(self._exact(objective, params)), Total(params)
        for (walk, k, _), cotangent in zip(sites, self._expected(sites), strict=True):
            walk.gradient(k, cotangent, expected)
        return expected.finished()

    def _expected(self, sites):
        """E d_b y_b at every layer: E y yᵀ δ, the guesses of other layers being independent and of mean 0."""
        return [self._covariance(*site) for site in sites]

    def _covariance(self, walk, k, delta):
        """A Aᵀ δ: δ pushed to where the noise is drawn, and taken back."""
        end = self._end(walk, k)
        return walk.pull(k + 1, end, walk.pushed(k + 1, end, delta))

    def _exact(self, objective, params):
        """Every layer with parameters, and the exact derivative δ at its output."""
        if objective is None or params is None:
            raise DualgradError(f"the mean of {self!r} depends on the activations: give objective and params too")
        x = objective_input(self, objective)
        for chain in chains_of(self, objective, self.local):
            walk = Walk(chain, params, x, objective._keywords())
            _, error = chain.loss(walk.value(len(walk.steps)))
            for k in walk.sites:
                yield walk, k, walk.pull(k + 1, len(walk.steps), error)
            x = walk.trunk

    def variance(self, gradient, objective=None, params=None):
        """Of each component: Σ_b x_i² (C_jj Q + (C δ)_j² + (κ - 3) Σ_m A_jm² a_m²) / n for the weight from i to j.

        C = A Aᵀ is the covariance of the layer's guess y = A ξ, a = Aᵀ δ, Q = Σ δᵀ C δ over the layers, and κ the
        fourth moment of the noise. For `dualgrad.nn.Linear` layers on rows ``(B, n)``; A is made column by column.
        """
        sites = [found for found in self._exact(objective, params) if not self._known(*found[:2])]
        total = Total(params)
        moments = [self._moments(*found) for found in sites]
        q = sum(np.sum(delta * c_delta, axis=-1) for (_, _, delta), (_, c_delta, _) in zip(sites, moments, strict=True))
        for (walk, k, _), (diagonal, c_delta, fourth) in zip(sites, moments, strict=True):
            spread = (diagonal * q[:, None] + c_delta**2 + fourth) / self.n
            names = walk.steps[k].names
            total.add(names["weight"], walk.value(k).T ** 2 @ spread)
            if "bias" in names:
                total.add(names["bias"], spread.sum(0))
        return total.finished()

    def _moments(self, walk, k, delta):
        """C_jj, (C δ)_j and (κ - 3) Σ_m A_jm² a_m², each ``(B, units)``."""
        layer, end = walk.steps[k].layer, self._end(walk, k)
        if not isinstance(layer, Linear) or delta.ndim != 2 or walk.value(end).ndim != 2:
            raise NotImplementedError(f"the variance at {layer!r} has no closed form here: it is known for rows (B, n)")
        a, excess = walk.pushed(k + 1, end, delta), -2.0 if self.noise == "signs" else 0.0
        diagonal, fourth = np.zeros_like(delta), np.zeros_like(delta)
        for m in range(a.shape[-1]):
            one_hot = np.zeros_like(a)
            one_hot[:, m] = 1
            column = walk.pull(k + 1, end, one_hot)
            diagonal = diagonal + column**2
            fourth = fourth + excess * column**2 * a[:, m : m + 1] ** 2
        return diagonal, self._covariance(walk, k, delta), fourth


def objective_input(estimator, objective):
    """The batch that a bound objective was bound to."""
    if not all(hasattr(objective, name) for name in ("model", "loss", "x", "y", "vjp")):
        raise DualgradError(
            f"{estimator!r} looks inside a network: give it nn.Objective(model, loss).bind(x, y), not a function of "
            "the parameters"
        )
    return objective.x


class ActivationPerturbation(_Guess):
    """y = ξ: noise at the output of every layer (Ren et al. 2022); unbiased, over units instead of weights.

    Parameters
    ----------
    noise : "normal" or "signs"
        Signs have the smaller variance.
    n : int
        Guesses for every example, pushed in one pass.
    store : bool
        Keep the values and guesses for the update, instead of making them again in a second pass.
    local : bool
        Differentiate the model's local losses (`dualgrad.nn.networks.LocalMixer`), each by its own block.

    Notes
    -----
    Cost: n + 3 forward passes, n + 2 with ``store``, for Linear layers; about a third more for convolutions. Memory:
    that of a forward pass; with ``store``, of all layers.
    Bias: none. Variance of dW_k, in total, for normals: Σ_b ‖x_bk‖² (m_k D_b + ‖δ_bk‖²), with m_k units in the layer
    and D_b = Σ_k ‖δ_bk‖² (the 1/B of a mean loss is in δ); a minus sign for signs.
    When: the units are far fewer than the weights.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> batch = dg.nn.Objective(dg.nn.Linear(3, 1), dg.nn.mse).bind(np.ones((1, 3)), np.zeros((1, 1)))
    >>> params = dg.Params({"weight": np.ones((3, 1)), "bias": np.zeros(1)})
    >>> estimate = dg.estimators.ActivationPerturbation(noise="signs").estimate(batch, params, rng=0)
    >>> estimate.gradient.vector  # one unit: (±1)² times the exact gradient
    array([6., 6., 6., 6.])
    """


class ActivationMixing(_Guess):
    """y = D A x′: random mixtures of the batch's activations x′ behind the layer, masked, at mean square 1.

    A is ``(B, B)`` noise; D the slope of what lies between, for ReLU its mask. The last layer's guess is noise.

    Parameters
    ----------
    noise, n, store, local : as in `ActivationPerturbation`

    Notes
    -----
    Cost and memory: as `ActivationPerturbation`, and a product of ``(B, B)`` with the activations.
    Bias: gradients are sought among the activations only. Variance: not known in closed form.
    When: activations and gradients lie in the same subspace (`subspace` says how far).

    Raises
    ------
    DualgradError
        For a batch of one, which has nothing to mix.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> model = dg.nn.networks.mlp([3, 4, 2])
    >>> batch = dg.nn.Objective(model, dg.nn.mse).bind(np.eye(3), np.zeros((3, 2)))
    >>> params = model.init(rng=0, dtype=np.float64)
    >>> dg.estimators.ActivationMixing().estimate(batch, params, rng=0).gradient.vector.shape
    (26,)
    """

    def _guess(self, walk, k, rng):
        if not walk.behind(k):
            return super()._guess(walk, k, rng)
        site, _ = walk.behind(k)[0]
        x = walk.value(site)
        mixtures = np.reshape(self._draw(rng, (len(x), len(x)), x) @ np.reshape(x, (len(x), -1)), x.shape)
        y = walk.pull(k + 1, site, mixtures)
        size = np.sqrt(np.mean(np.square(y)))
        return y / np.where(size > 0, size, 1)

    def _require(self, objective):
        if len(objective.x) < 2:
            raise DualgradError(f"{self!r} mixes the examples of a batch; got a batch of {len(objective.x)}")

    def expectation(self, gradient, objective=None, params=None):
        """Not known in closed form, for the normalisation."""
        raise NotImplementedError("the mean of activation mixing, which is normalised, has no closed form")

    def variance(self, gradient, objective=None, params=None):
        """Not known in closed form, for the normalisation."""
        raise NotImplementedError("the variance of activation mixing, which is normalised, has no closed form")


class TransposedWeight(_Guess):
    """y = D W ξ: noise behind the next layer, taken back through its weight W and the slope D of what lies between.

    (With W of shape ``(in, out)``, as here; in the paper it stands the other way, and the guess is D Wᵀ ξ. Norms are
    passed through like activations.)

    Parameters
    ----------
    power : float
        Raise the singular values of W to this power first: above 1 a few dominate the guess, 0 evens them out (the
        study of the paper's figure 5). Other than 1 it needs `dualgrad.nn.Linear` layers.
    noise, n, store, local : as in `ActivationPerturbation`

    Notes
    -----
    Cost: that of `ActivationPerturbation` and a product with W per guess and pass; a singular value decomposition of
    every weight per pass, where ``power`` is not 1. Memory: that of two layers.
    Bias: E ĝ is M δ at each layer's output, M = D W Wᵀ D. Variance: with C = M, tr(C) δᵀ C δ + δᵀ C² δ for normals.
    When: weights of low rank, whose image most gradients lie in.

    Raises
    ------
    DualgradError
        At `estimate`, for a power other than 1 where the next layer is not Linear.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> model = dg.nn.networks.mlp([3, 4, 2])
    >>> batch = dg.nn.Objective(model, dg.nn.mse).bind(np.eye(3), np.zeros((3, 2)))
    >>> params = model.init(rng=0, dtype=np.float64)
    >>> estimate = dg.estimators.TransposedWeight().estimate(batch, params, rng=0)
    >>> estimate.directional.shape  # a slope for every guess and example
    (1, 3)
    """

    ahead = 1.0
    settings = ("power",)

    def __init__(self, power=1.0, noise="normal", n=1, store=False, local=False):
        super().__init__(noise, n, store, local)
        self.power = real_number("power", power)

    def _end(self, walk, k):
        return walk.behind(k)[0][0] + 1 if walk.behind(k) else k + 1

    def _guess(self, walk, k, rng):
        if self.power == 1 or not walk.behind(k):
            return super()._guess(walk, k, rng)
        site, _ = walk.behind(k)[0]
        x = walk.value(site + 1)
        return walk.pull(k + 1, site, self._draw(rng, x.shape, x) @ self._powered(walk, site).T)

    def _powered(self, walk, site):
        """W with its singular values to the power."""
        step = walk.steps[site]
        if not isinstance(step.layer, Linear):
            raise DualgradError(f"{self!r} raises the singular values of Linear layers; the next one is {step.layer!r}")
        if site not in walk.kept:
            u, s, vt = np.linalg.svd(walk.p[step.names["weight"]], full_matrices=False)
            walk.kept[site] = (u * s**self.power) @ vt
        return walk.kept[site]

    def _covariance(self, walk, k, delta):
        if self.power == 1 or not walk.behind(k):
            return super()._covariance(walk, k, delta)
        site, _ = walk.behind(k)[0]
        w = self._powered(walk, site)
        return walk.pull(k + 1, site, walk.pushed(k + 1, site, delta) @ w @ w.T)

    def _moments(self, walk, k, delta):
        if self.power != 1:
            raise NotImplementedError("the variance is known in closed form for a power of 1")
        return super()._moments(walk, k, delta)


class Downstream(_Guess):
    """y = Jᵀ ξ: noise some layers further on, taken back through all that lies between.

    Parameters
    ----------
    layers : int
        How many layers with parameters lie between; noise is drawn behind the last one's activation.
    noise, n, store, local : as in `ActivationPerturbation`

    Notes
    -----
    Cost: that of `ActivationPerturbation` and ``layers`` products per guess and pass. Memory: that of ``layers`` + 1
    layers. Bias: E ĝ is M δ at each layer's output, M = Jᵀ J. Variance: with C = M as in `TransposedWeight`.
    When: as `TransposedWeight`; more than one layer brings no more (the paper's figure 7).

    Raises
    ------
    ValueError
        For a number of layers that is not a positive integer.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> model = dg.nn.networks.mlp([3, 4, 4, 2])
    >>> batch = dg.nn.Objective(model, dg.nn.mse).bind(np.eye(3), np.zeros((3, 2)))
    >>> params = model.init(rng=0, dtype=np.float64)
    >>> dg.estimators.Downstream(layers=2, n=4).estimate(batch, params, rng=0).directional.shape
    (4, 3)
    """

    settings = ("layers",)

    def __init__(self, layers=1, noise="normal", n=1, store=False, local=False):
        super().__init__(noise, n, store, local)
        self.layers = positive_count("layers", layers)
        self.ahead = float(self.layers)

    def _end(self, walk, k):
        behind = walk.behind(k)
        if not behind:
            return k + 1
        return next((site for site, between in behind if between >= self.layers), len(walk.steps))


class SelfSharpening(Downstream):
    """`Downstream` with uniform noise, and the true error at the last layer (section 4.1): guesses sharpen in time.

    Parameters
    ----------
    layers, n, store, local : as in `Downstream`

    Notes
    -----
    Noise is uniform on [0, 1). It has a mean, and so has the guess, μ = Jᵀ 1/2: E ĝ is Jᵀ J δ/12 + μ Σ δ·μ at a layer's
    output, the sum over the layers that are guessed at, and the one direction μ dominates.
    The last layer gets its exact gradient, which is local. Train it with `dualgrad.optim.StableAdamW`, as the paper
    does; it fits the training data far better than it generalises.
    Cost, memory: as `Downstream`. Variance: not known in closed form.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> model = dg.nn.networks.mlp([3, 4, 2])
    >>> batch = dg.nn.Objective(model, dg.nn.mse).bind(np.eye(3), np.zeros((3, 2)))
    >>> params = model.init(rng=0, dtype=np.float64)
    >>> found = dg.estimators.SelfSharpening().estimate(batch, params, rng=0).gradient
    >>> exact = dg.estimators.Backprop().estimate(batch, params).gradient
    >>> np.allclose(found["2.weight"], exact["2.weight"])
    True
    """

    def __init__(self, layers=1, n=1, store=False, local=False):
        super().__init__(layers, n=n, store=store, local=local)

    def _draw(self, rng, shape, x):
        return rng.uniform(0.0, 1.0, shape, dtype=x.dtype, like=x)

    def _known(self, walk, k):
        return not walk.behind(k)

    def _expected(self, sites):
        """C δ + μ Σ δ·μ over the layers, with the noise's covariance 1/12 in C and its mean 1/2 in μ."""
        guessed = [site for site in sites if not self._known(*site[:2])]
        means = {id(site): self._mean(*site[:2]) for site in guessed}
        along = {}  # each chain, which has a loss of its own, has slopes of its own
        for site in guessed:
            share = np.sum(site[2] * means[id(site)], axis=tuple(range(1, site[2].ndim)))
            along[id(site[0])] = along.get(id(site[0]), 0.0) + share
        for site in sites:
            walk, k, delta = site
            if self._known(walk, k):
                yield delta
            else:
                share = np.reshape(along[id(walk)], (-1,) + (1,) * (delta.ndim - 1))
                yield self._covariance(walk, k, delta) / 12 + share * means[id(site)]

    def _mean(self, walk, k):
        end = self._end(walk, k)
        return walk.pull(k + 1, end, np.full_like(walk.value(end), 0.5))

    def variance(self, gradient, objective=None, params=None):
        """Not known in closed form: the noise has a mean."""
        raise NotImplementedError("the variance of self-sharpening, whose noise has a mean, has no closed form here")


class MatchedCosine(Estimator):
    """ĝ = (g·u) u, with u at a given cosine to g and otherwise as ``base`` guesses (the control of figure 4).

    u = cos g/‖g‖ + sin v/‖v‖, v being what of the base's estimate lies beside g. The exact gradient is known here: an
    experiment that tells what a method's bias costs, at its own cosine.

    Parameters
    ----------
    base : estimator
    cosine : float, in (0, 1]

    Notes
    -----
    Cost: the base's and the exact gradient's. Memory: that of `Backprop`. Bias: E ĝ = cos² g, parallel to g, for a base
    that favours no direction beside g (normals); its length does not matter to Adam. Variance: sin² cos² ‖g‖² in total.

    Raises
    ------
    ValueError
        For a cosine outside (0, 1].

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> g = np.array([3.0, 4.0, 0.0, 0.0])
    >>> base = dg.estimators.ForwardGradient(dg.directions.Gaussian())
    >>> found = dg.estimators.MatchedCosine(base, 0.5).estimate(lambda w: w @ g, np.zeros(4), rng=0).gradient
    >>> round(float(found @ g / np.linalg.norm(found) / 5), 6)
    0.5
    """

    parts = {"base": "base"}  # noqa: RUF012

    def __init__(self, base, cosine):
        if not hasattr(base, "estimate") or isinstance(base, type):
            raise TypeError(f"got base={base!r}; expected an estimator such as ForwardGradient(directions.Gaussian())")
        self.base = base
        self.cosine = real_number("cosine", cosine, "a number in (0, 1]", lambda x: 0 < x <= 1)

    def __repr__(self):
        return f"MatchedCosine({self.base!r}, {self.cosine})"

    def estimate(self, objective, params, *, rng):
        """The loss and the estimate."""
        params = as_params(params)
        exact, guess = Oracle().estimate(objective, params), self.base.estimate(objective, params, rng=as_rng(rng))
        g, v = as_vector(exact.gradient), as_vector(guess.gradient)
        size = np.linalg.norm(g)
        if not size > 0:
            return finished(self, exact.value, exact.gradient, np.zeros(()), guess.cost + exact.cost)
        beside = v - (v @ g) * g / size**2
        u = self.cosine * g / size
        if np.any(beside):
            u = u + np.sqrt(1 - self.cosine**2) * beside / np.linalg.norm(beside)
        require_finite(self, exact.value, g @ u)
        return finished(self, exact.value, as_tree((g @ u) * u, params), g @ u, guess.cost + exact.cost)

    def expectation(self, gradient, objective=None, params=None):
        """cos² g, for a base that favours no direction beside g."""
        return map_leaves(lambda g: self.cosine**2 * g, gradient)
