"""Estimators in PyTorch: no argument, tensors made inside. "# fault:" is a line to put in place of the one above."""

import torch
from torch import distributions
from torch.autograd import grad
from torch.distributions import Bernoulli, Gamma, Normal

torch.set_default_dtype(torch.float64)
A = torch.tensor([[3.0, 1.0], [1.0, 5.0]])
w = torch.tensor([3.0, 4.0])
x = torch.tensor([1.3, -0.6])
c = torch.tensor([0.0, 1.0, 4.0, 9.0, 16.0])
P = torch.tensor([0.2, 0.3, 0.5])
Q = torch.tensor([0.5, 0.25, 0.25])
F = torch.tensor([1.0, -2.0, 4.0])
StraightThrough = distributions.OneHotCategoricalStraightThrough
logit = torch.tensor(3.0).log()


def rloo():
    theta = logit.clone().requires_grad_()
    law = Bernoulli(logits=theta)
    b = law.sample((3,))
    f = 1 + 2 * b
    others = (f.sum() - f) / 2
    # fault: others = f.mean()
    loss = (f - others) * law.log_prob(b)
    loss.mean().backward()
    return theta.grad


def vimco():
    theta = logit.clone().requires_grad_()
    law = Bernoulli(logits=theta)
    b = law.sample((2,))
    f = 1 + 2 * b
    bound = f.mean().log()
    other = f.flip(0).log()
    # fault: other = bound
    loss = (bound - other) * law.log_prob(b)
    return grad(loss.sum(), theta)


def reparameterised():
    m = torch.tensor(1.5, requires_grad=True)
    s = torch.tensor(0.5, requires_grad=True)
    x = Normal(m, s).rsample()
    # fault: x = Normal(m, s**2).rsample()
    return grad(x**2, (m, s))


def straight_through():
    theta = P.log().requires_grad_()
    law = StraightThrough(logits=theta)
    y = law.rsample()
    loss = y @ F
    # fault: loss = y @ (F * y.detach())
    return grad(loss, theta)


def straight_through_squared():
    theta = P.log().requires_grad_()
    law = StraightThrough(logits=theta)
    y = law.rsample()
    return grad((y @ F) ** 2, theta)


def gumbel_softmax(tau=2.0):
    theta = torch.zeros(1, requires_grad=True)
    a, b = -torch.empty(2).exponential_().log()
    y = torch.sigmoid((theta + a - b) / tau)
    # fault: y = torch.sigmoid((theta + a - b) / 4)
    return y, *grad(y, theta)


def gumbel_max():
    soft = torch.nn.functional.gumbel_softmax
    return soft(P.log(), hard=True)


def hard_sign():
    return torch.sign(0.5 + torch.randn(1))


def spsa(h=0.1):
    v = torch.randint(0, 2, (2,)) * 2 - 1
    a, b = w + h * v, w - h * v
    # fault: a, b = w + h * v, w
    slope = (a @ A @ a - b @ A @ b) / 2 / (2 * h)
    return slope / v


def antithetic_es(s=0.5):
    v = torch.randn(2)
    u = v
    # fault: u = torch.randn(2)
    up, down = w + s * v, w - s * u
    return ((up**3 - down**3).sum() / (2 * s)) * v


def hutchinson():
    v = torch.randint(0, 2, (2,)) * 2.0 - 1
    # fault: v = torch.empty(2).uniform_(-1, 1)
    return v @ A @ v


def hutch_plus_plus():
    s, v = torch.randint(0, 2, (2, 2)) * 2.0 - 1
    q = A @ s / (A @ s).norm()
    v = v - (q @ v) * q
    # fault: v = v - q
    return q @ A @ q + v @ A @ v


def stochastic_rounding():
    return torch.floor(x + torch.rand(2))
    # fault: return torch.round(x + torch.rand(2))


def dropout(keep=0.75):
    return torch.nn.Dropout(1 - keep)(w)
    # fault: return torch.nn.Dropout(keep)(w)


def minibatch():
    k = torch.randperm(5)[:2]
    # fault: k = torch.randint(5, (2,))
    return c[k].mean()


def svrg(at=2.0, anchor=1.5):
    k = torch.randint(3, ())
    full = F.sum() * anchor
    # fault: full = F.mean() * anchor
    return 3 * F[k] * (at - anchor) + full


def roulette():
    s, t = 1.0, 1.0
    while torch.rand(()) < 0.2:
        t *= 0.1 / 0.2
        # fault: t *= 0.1 / 0.25
        s += t
    return s


def importance():
    k = torch.multinomial(Q, 1)
    return F[k] * P[k] / Q[k]
    # fault: return F[k]


def fourier_features():
    k = torch.randn(())
    z = torch.exp(1j * k * x)
    # fault: z = torch.exp(2j * k * x)
    return (z[0] * z[1].conj()).real


def gamma_noise():
    return Gamma(2.0, 1.0).sample()
