"""Graph networks: from the features of nodes and an adjacency to scores of nodes or of whole graphs."""

from groundup.models.graph_networks.diffpool import DiffPoolNet, DiffPoolOutputs
from groundup.models.graph_networks.gcn import GCN
from groundup.models.graph_networks.gin import GIN, GINLayer
from groundup.models.graph_networks.graphsage import GraphSAGE

__all__ = ["GCN", "GIN", "DiffPoolNet", "DiffPoolOutputs", "GINLayer", "GraphSAGE"]
