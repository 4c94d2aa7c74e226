"""Joint test that all effects before adoption are zero."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from kkz_eval.estimators.result import FloatArray


@dataclass(frozen=True)
class WaldTest:
    """`statistic` W = θ'V⁻¹θ of `n_restrictions` effects; `p_value` from F(n_restrictions, df), or χ² if df is None."""

    statistic: float
    n_restrictions: int
    df: float | None
    p_value: float

    @property
    def f_statistic(self) -> float:
        """The statistic on the F scale; W over the number of restrictions when the reference is χ²."""
        scale = 1.0 if self.df is None else self.df / (self.df + self.n_restrictions - 1)
        return scale * self.statistic / self.n_restrictions


def wald_pretest(effect: FloatArray, covariance: FloatArray, n_clusters: float | None = None) -> WaldTest | None:
    """Test of effect (q,) = 0 with its covariance (q, q); None when the covariance is singular or q is 0.

    Without `n_clusters` the reference is χ²(q), R did's `Wpval`. With n clusters it is Hotelling's:
    W·(n−q)/(q(n−1)) ~ F(q, n−q), and None when q ≥ n, because then the covariance has no full rank.
    A test that finds nothing does not show that trends were parallel.
    """
    n_restrictions = len(effect)
    if n_restrictions == 0 or (n_clusters is not None and n_clusters - n_restrictions <= 0):
        return None
    if not np.isfinite(covariance).all() or 1 / np.linalg.cond(covariance, 1) <= np.finfo(np.float64).eps:
        return None
    statistic = float(effect @ np.linalg.solve(covariance, effect))
    if n_clusters is None:
        return WaldTest(statistic, n_restrictions, None, float(stats.chi2.sf(statistic, n_restrictions)))
    df = n_clusters - n_restrictions
    ratio = statistic * df / (n_restrictions * (n_clusters - 1))
    return WaldTest(statistic, n_restrictions, df, float(stats.f.sf(ratio, n_restrictions, df)))
