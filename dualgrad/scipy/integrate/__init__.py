"""``scipy.integrate``: initial value problems and integrals whose solutions have derivatives.

It is imported by name, ``from dualgrad.scipy import integrate``. Every name that is not here is SciPy's own.
"""

from scipy import integrate as si

from ..shared import others
from .initial_value import solve_ivp
from .odepack import odeint
from .quad_of_vectors import quad_vec
from .quadpack import quad

__all__ = ["odeint", "quad", "quad_vec", "solve_ivp"]
__getattr__ = others(si)
