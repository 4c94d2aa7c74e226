"""Lets the tests of this folder import `small_study`. What belongs here: nothing else."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
