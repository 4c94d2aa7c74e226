"""A simulated North Rhine-Westphalia with a stated truth, delivered the way offices deliver; all figures are invented.

What belongs here: the process that makes children and their files, planted effects and faults.
What does not: estimating.
"""

from kkz_eval.demo.effects import effects_by_period, truth
from kkz_eval.demo.world import DEFAULT_SCALE, DEFAULT_SEED, World
from kkz_eval.demo.write import write_demo

__all__ = ["DEFAULT_SCALE", "DEFAULT_SEED", "World", "effects_by_period", "truth", "write_demo"]
