"""The tests of asking a host, and of what it said."""
