"""For the tests of domains and of stores."""

from chekov.testing.spec import Spec

__all__ = ["Spec"]
