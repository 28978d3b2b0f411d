"""For the tests of domains and of stores."""

from chekov.testing.events import Events
from chekov.testing.process_spec import ProcessSpec
from chekov.testing.projection_spec import ProjectionSpec
from chekov.testing.spec import Spec

__all__ = ["Events", "ProcessSpec", "ProjectionSpec", "Spec"]
