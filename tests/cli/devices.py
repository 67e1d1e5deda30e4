"""A KVM device that is a table, in the place of the real one."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Self

from gmemflags import HostFacts, KvmUnavailableError, Scope, Unavailable
from gmemflags.testing import FakeBackend, FakeVm

Answers = dict[int, int | OSError]
DEFAULT: Answers = {231: 1, 234: 1, 235: 1, 244: 3}


def fake_kvm(
    system: Answers, vms: dict[int, Answers | KvmUnavailableError], machine: str = "x86_64"
) -> type[FakeBackend]:
    """A class like `gmemflags.linux.Kvm`, with these answers."""

    class FakeKvm(FakeBackend):
        """/dev/kvm."""

        @classmethod
        def open(cls, path: str) -> Self:
            """Open it; every other path is missing."""
            if path != "/dev/kvm":
                raise KvmUnavailableError(2, "No such file", path, Unavailable.NO_DEVICE)
            facts = HostFacts("6.18", machine, None)
            return cls(system, scope=Scope.SYSTEM, host=facts, origin=path)

        def create_vm(self, vm_type: int = 0) -> AbstractContextManager[FakeVm]:
            """Make a VM."""
            origin = f"VM of type {vm_type} on /dev/kvm"
            missing = KvmUnavailableError(22, "Invalid argument", origin, Unavailable.NO_VM)
            answers = vms.get(vm_type, missing)
            if isinstance(answers, KvmUnavailableError):
                raise answers
            facts = HostFacts("6.18", machine, vm_type)
            return nullcontext(FakeVm(answers, host=facts, origin=origin))

        def __enter__(self) -> Self:
            return self

        def __exit__(
            self,
            kind: type[BaseException] | None,
            error: BaseException | None,
            traceback: TracebackType | None,
        ) -> None:
            pass

    return FakeKvm


Install = Callable[..., None]
