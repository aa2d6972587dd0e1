"""Recurrent networks: what was read so far is a state."""

from groundup.models.recurrent_networks.echo_state import EchoStateNetwork

__all__ = ["EchoStateNetwork"]
