"""Lets the tests of this folder import `released_tables`. What belongs here: nothing else."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
