"""A recorder of calls from room to room, and what it is to record: one query of a VM."""

from __future__ import annotations

import os
import sys
from inspect import getattr_static
from typing import TYPE_CHECKING

from attrs import frozen

from gmemflags import GuestMemfdFlag, HostFacts, Request, negotiate, query
from gmemflags import _mainline as _uapi
from gmemflags.linux import Vm

if TYPE_CHECKING:
    from types import FrameType

YOU, KERNEL = "your code", "kernel"
_REQUESTS = {
    _uapi.KVM_CHECK_EXTENSION: "KVM_CHECK_EXTENSION",
    _uapi.KVM_CREATE_GUEST_MEMFD: "KVM_CREATE_GUEST_MEMFD",
}


@frozen
class Call:
    """A call of ``name`` from one room into another."""

    caller: str
    callee: str
    name: str


def ioctl(fd: int, request: int, argument: int) -> int:
    """A kernel with both flags of mainline, which it takes."""
    del fd
    if request == _uapi.KVM_CREATE_GUEST_MEMFD:
        return os.memfd_create("way")
    return {_uapi.KVM_CAP_GUEST_MEMFD: 1, _uapi.KVM_CAP_GUEST_MEMFD_FLAGS: 3}.get(argument, 0)


def one_query(vm: Vm) -> None:
    """What a VMM does with its VM."""
    both = GuestMemfdFlag.MMAP | GuestMemfdFlag.INIT_SHARED
    answer = negotiate(query(vm), Request(required=both))
    os.close(vm.create_guest_memfd(1 << 20, answer))


def recorded() -> dict[Call, int]:
    """The calls between rooms that one query makes, in order, and how often each was made.

    Properties, private functions, those inside others and those that attrs wrote are left out.
    """
    vm = Vm(-1, "a VM", HostFacts("6.18.0", "x86_64", 0), owned=False)
    vars(vm)["_ioctl"] = ioctl
    calls: dict[Call, int] = {}

    def profile(frame: FrameType, event: str, argument: object) -> None:
        del argument
        if event != "call":
            return
        callee, name = _room(frame), _name(frame)
        caller, before = None, frame.f_back
        while before is not None and caller is None:
            caller, before = _room(before), before.f_back
        if name and callee and caller and caller != callee:
            call = Call(caller, callee, name)
            calls[call] = calls.get(call, 0) + 1

    one_query(vm)  # what is loaded late is loaded now
    sys.setprofile(profile)
    one_query(vm)
    sys.setprofile(None)
    return calls


def _room(frame: FrameType) -> str | None:
    if frame.f_code is ioctl.__code__:
        return KERNEL
    module = frame.f_globals.get("__name__", "").split(".")
    if module == [__name__]:
        return YOU
    return module[1] if module[0] == "gmemflags" and len(module) > 1 else None


def _name(frame: FrameType) -> str | None:
    # What a reader would call the function; None for one that says nothing here.
    if frame.f_code is ioctl.__code__:
        return _REQUESTS[frame.f_locals["request"]]
    owner, _, name = frame.f_code.co_qualname.rpartition(".")
    if name == "__init__":
        return owner
    attribute: object = getattr_static(frame.f_globals.get(owner, object), name, None)
    private = name.startswith("_") or "<" in frame.f_code.co_qualname
    return None if private or isinstance(attribute, property) else name
