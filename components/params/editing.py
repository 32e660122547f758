"""Values set in the text of params.yaml, whose comments and order stay as they are."""

import io
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import RoundTripRepresenter


def with_values(text: str, values: Mapping[str, Any]) -> str:
    """The text with other values.

    Args:
        text: of a params file that is valid.
        values: by their dotted places; the sections around them are there. A section is written in one line.
    """
    if not values:
        return text  # in its author's own layout
    yaml = YAML(typ="rt", pure=True)
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.Representer = _WithNull
    document = yaml.load(text)
    for place, value in values.items():
        *sections, name = place.split(".")
        node = document
        for key in sections:
            node = node[key]
        node[name] = _in_one_line(value)
    written = io.StringIO()
    yaml.dump(document, written)
    return written.getvalue()


def _in_one_line(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    section = CommentedMap({key: _in_one_line(inner) for key, inner in value.items()})
    section.fa.set_flow_style()
    return section


class _WithNull(RoundTripRepresenter):
    """Writes nothing as ``null``, and not as an empty place."""

    def represent_none(self, data: None) -> ScalarNode:
        """The word."""
        return self.represent_scalar("tag:yaml.org,2002:null", "null")


_WithNull.add_representer(type(None), _WithNull.represent_none)
