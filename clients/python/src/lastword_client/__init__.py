"""Tells a Lastword daemon what happens to the sessions of this process."""

from .client import Client
from .errors import LastwordError, Unavailable
from .event import Answer

__all__ = ["Answer", "Client", "LastwordError", "Unavailable"]
