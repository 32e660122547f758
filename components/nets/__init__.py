"""The networks: plain torch modules, built from the ``train.network`` section."""

from components.nets.build import Network, build_network, count_parameters
from components.nets.preprocess import Preprocess

__all__ = ["Network", "Preprocess", "build_network", "count_parameters"]
