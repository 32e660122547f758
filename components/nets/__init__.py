"""The networks: plain torch modules, built from the sections ``train.network`` and ``train.initialisation``."""

from components.nets.build import build_network
from components.nets.network import Network, count_parameters
from components.nets.preprocess import Preprocess, build_preprocess

__all__ = ["Network", "Preprocess", "build_network", "build_preprocess", "count_parameters"]
