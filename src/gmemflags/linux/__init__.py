"""The Linux edge: the real KVM, and the only room that talks to it.

Nothing is asked, opened or loaded when this package is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmemflags.linux._kvm import Kvm, Vm

if TYPE_CHECKING:
    from gmemflags.linux._observe import probe
    from gmemflags.negotiation._probe_report import ProbeReport

__all__ = ["Kvm", "ProbeReport", "Vm", "probe"]

_LATER = {
    "ProbeReport": "gmemflags.negotiation._probe_report",
    "probe": "gmemflags.linux._observe",
}


if not TYPE_CHECKING:  # a checker that sees __getattr__ takes any name for known

    def __getattr__(name: str) -> object:
        from importlib import import_module  # noqa: PLC0415  # seldom wanted

        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value: object = getattr(import_module(_LATER[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
