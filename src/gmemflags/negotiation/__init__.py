"""Negotiation: from what a host said and what is wanted to one mask, or a refusal with reasons.

Pure: no input, no output, no clock. The same support and request give the same answer anywhere.
"""

from gmemflags.negotiation._problem import Outcome, Problem, Reason, Role, Suggestion
from gmemflags.negotiation._resolution import Resolution, negotiate, resolve

__all__ = [
    "Outcome",
    "Problem",
    "Reason",
    "Resolution",
    "Role",
    "Suggestion",
    "negotiate",
    "resolve",
]
