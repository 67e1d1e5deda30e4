"""Write all golden files anew."""

from tests.golden import write
from tests.golden.scenes import GROUPS

for group, texts in GROUPS.items():
    write(group, texts)
