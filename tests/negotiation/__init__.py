"""The negotiation room: what is answered, and why; pools, comparisons and learned rules."""
