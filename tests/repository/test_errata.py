"""Every erratum of the papers that a moment can show: the exact value is ours, and not the one printed."""

import numpy as np
import pytest

from tests.support.errata import NOT_SHOWN, errata

ERRATA = errata()


@pytest.mark.parametrize("erratum", ERRATA, ids=lambda e: f"{e.number}: {e.where}")
def test_what_is_right_and_what_is_not(erratum):
    np.testing.assert_allclose(erratum.exact, erratum.right, rtol=0, atol=1e-12)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(erratum.exact, erratum.printed, rtol=0, atol=1e-3)


def test_all_22_are_shown_or_accounted_for():
    shown = {e.number for e in ERRATA} - {0}
    assert shown | set(NOT_SHOWN) == set(range(1, 23))
    assert not shown & set(NOT_SHOWN)
