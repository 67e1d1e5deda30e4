"""Write the pinned samples anew: for a version that has not been published."""

from tests.records.sampled import SAMPLES, path, pretty

for name, value in SAMPLES.items():
    path(name).write_text(pretty(value))
