"""The laws, each tried on random values of the full range."""
