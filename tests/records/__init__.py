"""Documents in and out; ``python -m tests.records`` writes the pinned samples anew."""
