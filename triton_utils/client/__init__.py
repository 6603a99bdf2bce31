"""Clients of the Triton server."""

from triton_utils.client.async_client import AsyncTritonClient
from triton_utils.client.sync_client import TritonClient, command_client

__all__ = ["AsyncTritonClient", "TritonClient", "command_client"]
