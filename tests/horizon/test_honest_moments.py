"""The closed-form vertices against the linear program they replace; least-favourable values against draws."""

import numpy as np
import pytest
from scipy import optimize, stats

from kkz_eval.horizon.honest_input import EventStudy, event_study
from kkz_eval.horizon.moment_inequalities import (
    Moments,
    Stage,
    compatible,
    least_favourable,
    paired_moments,
    second_stage,
)

CONTRASTS = ([1.0, 0.0, 0.0], [0.2, -0.3, 0.5], [1 / 3, 1 / 3, 1 / 3])


def example(seed: int, contrast: list[float]) -> EventStudy:
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(7, 10))
    return event_study(rng.normal(size=7), factor @ factor.T / 10, 4, contrast)


def steps(bound: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows on (−4, …, −1, 1, 2, 3): steps after the reference, and `bound` times the step from −2 to −1."""
    after = np.zeros((3, 7))
    after[0, 4] = after[1, 5] = after[2, 6] = 1
    after[1, 4] = after[2, 5] = -1
    before = np.zeros((1, 7))
    before[0, 2:4] = -bound, bound
    return after, before


class Program:
    """min η with all moments at most η times their standard error, the other effects free: the published form."""

    def __init__(self, study: EventStudy, rows: np.ndarray, bound_rows: np.ndarray, bound: float) -> None:
        restrictions = np.vstack([rows - bound_rows, -rows - bound_rows])
        self.at_zero = restrictions @ study.beta - bound
        self.sigma = restrictions @ study.sigma @ restrictions.T
        after = restrictions[:, study.n_pre :]
        # New coordinates of the effects after the start: the contrast first, then directions that complete a basis.
        basis = np.linalg.qr(np.column_stack([study.contrast, np.eye(study.n_post)]))[0].T[: study.n_post]
        basis[0] = study.contrast
        turned = after @ np.linalg.inv(basis)
        self.effect, self.nuisance = turned[:, 0], turned[:, 1:]

    def optimum(self, moments: np.ndarray) -> tuple[float, np.ndarray]:
        left = -np.column_stack([np.sqrt(np.diag(self.sigma)), self.nuisance])
        cost = np.eye(left.shape[1])[0]
        found = optimize.linprog(cost, left, -moments, bounds=(None, None), method="highs-ds")
        return found.fun, -found.ineqlin.marginals


def draw(program: Program, theta: float) -> np.ndarray:
    return program.at_zero - program.effect * theta


@pytest.mark.parametrize("contrast", CONTRASTS)
@pytest.mark.parametrize("seed", range(4))
def test_the_largest_moment_is_the_optimum_of_the_linear_program(seed: int, contrast: list[float]) -> None:
    study = example(seed, contrast)
    for rows, bound_rows, bound in [(*steps(0.7), 0.0), (steps(1)[0], np.zeros((1, 7)), 0.4)]:
        moments = paired_moments(study, rows, bound_rows, bound)
        program = Program(study, rows, bound_rows[0], bound)
        for theta in (-4.0, -0.5, 0.0, 0.3, 2.0):
            ours = (moments.value[0] + moments.slope[0] * theta).max()
            assert ours == pytest.approx(program.optimum(draw(program, theta))[0], abs=1e-8)


def by_programs(program: Program, theta: float, level: float) -> bool:
    """Conditional test with truncation ends from repeated linear programs along the line of the optimal vertex."""
    moments = draw(program, theta)
    optimum, vertex = program.optimum(moments)
    spread = np.sqrt(vertex @ program.sigma @ vertex)
    loading = program.sigma @ vertex / spread**2
    rest = moments - loading * (vertex @ moments)

    def stays(value: float) -> bool:
        return program.optimum(rest + loading * value)[0] <= value + 1e-9

    ends = []
    for far in (optimum - 30 * spread, optimum + 30 * spread):
        inside, outside = optimum, far
        if stays(far):
            ends.append(np.sign(far - optimum) * np.inf)
            continue
        for _ in range(40):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if stays(middle) else (inside, middle)
        ends.append(inside)
    truncated = stats.truncnorm(ends[0] / spread, ends[1] / spread)
    return bool(optimum / spread <= max(0.0, truncated.ppf(1 - level)))


@pytest.mark.parametrize("contrast", CONTRASTS)
def test_the_conditional_test_agrees_with_linear_programs(contrast: list[float]) -> None:
    study = example(11, contrast)
    rows, bound_rows = steps(0.7)
    moments, program = paired_moments(study, rows, bound_rows, 0.0), Program(study, rows, bound_rows[0], 0.0)
    values = np.linspace(-5, 5, 15)
    ours = compatible(moments, values[None, :], second_stage(moments, 0.05, hybrid=False))[0]
    assert [by_programs(program, value, 0.05) for value in values] == ours.tolist()
    assert ours.any()
    assert not ours.all()


def test_least_favourable_values_match_draws() -> None:
    study = example(3, CONTRASTS[1])
    moments = paired_moments(study, *steps(0.7), 0.0)
    rng, n_draws, level, df = np.random.default_rng(5), 400_000, 0.01, 6.0
    largest = (rng.normal(size=(n_draws, 7)) @ np.linalg.cholesky(study.sigma).T @ moments.weights[0].T).max(axis=1)
    over_chi = largest / np.sqrt(rng.chisquare(df, n_draws) / df)
    for draws, chosen in ((largest, None), (over_chi, df)):
        value = least_favourable(moments.covariance, level, chosen)[0]
        error = np.sqrt(level * (1 - level) / n_draws)
        assert np.mean(draws > value) == pytest.approx(level, abs=4 * error)


def test_one_normal_moment_and_its_mirror_have_the_two_sided_value() -> None:
    covariance = 4.0 * np.array([[[1.0, -1.0], [-1.0, 1.0]]])
    assert least_favourable(covariance, 0.005)[0] == pytest.approx(2 * stats.norm.isf(0.0025), rel=1e-6)
    assert least_favourable(covariance, 0.005, 9.0)[0] == pytest.approx(2 * stats.t.isf(0.0025, 9), rel=1e-6)


def test_a_bound_below_zero_without_noise_decides_on_its_own() -> None:
    for value, stands in ((-0.1, True), (0.2, False)):
        moments = Moments(np.array([[-1.0, value]]), np.zeros((1, 2)), np.diag([1.0, 0.0])[None], np.zeros((1, 2, 1)))
        result = compatible(moments, np.zeros((1, 1)), Stage(0.05, np.array([np.inf]), None))
        assert bool(result[0, 0]) is stands


def test_the_test_holds_far_out_in_the_tail() -> None:
    """Statistic 40 with the lower end just below it: the tail beyond 40 over that beyond 39.99 is about exp(−0.4)."""
    covariance = np.array([[[1.0, 0.0], [0.0, 1e-300]]])
    moments = Moments(np.array([[40.0, 39.99]]), np.zeros((1, 2)), covariance, np.zeros((1, 2, 1)))
    for level, stands in ((0.66, True), (0.68, False)):
        result = compatible(moments, np.zeros((1, 1)), Stage(level, np.array([np.inf]), None))
        assert bool(result[0, 0]) is stands
