"""Equal eigenvalues along one direction: the vectors that the direction picks, and how they turn.

Of a matrix A(t) = A₀ + A₁ t + ..., Hermitian for every t, the eigenvalues and vectors can be chosen analytic, also
where eigenvalues of A₀ coincide (Rellich 1937; Kato 1966, chapter II). The spaces of different eigenvalues are carried
by the smallest rotation, W' = W Ω; Wᴴ A W keeps one block D = λ + t C for each, and the vectors of D are those of C, to
be found in the same way: what A₁ does not part, A₂ may, or what A₁ does to the space.

`dualgrad.ties` has the rules: `analytic` for one direction, `directions` for several at once, `line` tells one from the
other, `cautions` says what is missing, and `matrices` has what the rules for all matrices need too.
"""
