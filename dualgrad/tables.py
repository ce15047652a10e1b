"""The rule tables, filled by `dualgrad.rules` and by `defjvp`."""

RULES = {}  # NumPy function -> pushforward taking the function's own arguments
KINDS = {}  # NumPy function -> one of linear, elementwise, bilinear, composite, explicit, constant
METHODS = {}  # ufunc method name, or __call__ with keywords -> pushforward taking (ufunc, *arguments)
MAKERS = {}  # NumPy function with a keyword like= -> what makes its array as a Dual: (like, *arguments)
OWN = set()  # functions of dualgrad's own with rules, which stand behind the rules of others
SEQUENCES = set()  # functions whose first argument is a sequence of arrays, not an array
REFUSED = {}  # NumPy function, or module of functions -> what to write instead
