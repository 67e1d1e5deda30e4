"""The public surface: which modules are public, and what they offer."""

import gmemflags
import gmemflags.linux
import gmemflags.records
import gmemflags.testing

MODULES = (gmemflags, gmemflags.linux, gmemflags.records, gmemflags.testing)
OFFERED = [(module, name) for module in MODULES for name in module.__all__]
