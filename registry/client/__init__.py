"""The only folder that talks to MLflow: its entities end here, and its exceptions."""

from registry.client.client import Client
from registry.client.entities import LoggedModel, RegisteredModel

__all__ = ["Client", "LoggedModel", "RegisteredModel"]
