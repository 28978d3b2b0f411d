"""Lets `python -m chekov.cli` be the `chekov` command."""

import sys

from chekov.cli import main

sys.exit(main())
