"""params.yaml: everything that a person may choose, checked as a whole before any work starts."""

from components.params.reading import load_params, parse_params
from components.params.sections import Params, Section

__all__ = ["Params", "Section", "load_params", "parse_params"]
