"""What one host said: the abstract backend, the query, and the answers as a value."""

from gmemflags.host._backend import Backend, HostFacts
from gmemflags.host._query import query
from gmemflags.host._support import BitState, Support

__all__ = ["Backend", "BitState", "HostFacts", "Support", "query"]
