"""A guest that runs from guest_memfd alone: four bytes of code that write to memory and halt.

    python examples/boot.py

For x86-64 with a /dev/kvm; elsewhere it says in one line why there is nothing to see.
"""

import ctypes
import fcntl
import mmap
import os
import struct

from gmemflags import MAINLINE, KvmUnavailableError, NegotiationError, negotiate, query
from gmemflags.linux import Kvm, Vm

KVM_GET_VCPU_MMAP_SIZE, KVM_CREATE_VCPU, KVM_RUN = 0xAE04, 0xAE41, 0xAE80
KVM_SET_USER_MEMORY_REGION2, KVM_MEM_GUEST_MEMFD = 0x40A0AE49, 1 << 2
KVM_GET_REGS, KVM_SET_REGS = 0x8090AE81, 0x4090AE82
KVM_GET_SREGS, KVM_SET_SREGS = 0x8138AE83, 0x4138AE84
KVM_EXIT_HLT = 5
SIZE = 2 * mmap.PAGESIZE
TARGET = 0x800
CODE = b"\xa3\x00\x08\xf4"  # mov [0x800], ax; hlt


def main() -> None:
    """Agree on memory, run the guest in it, and print what the guest wrote."""
    if os.uname().machine != "x86_64":
        print(f"not run: the guest's code is for x86-64, and this is {os.uname().machine}")
        return
    try:
        with Kvm.open() as kvm, kvm.create_vm() as vm:
            answer = negotiate(query(vm), MAINLINE.profiles["fully-shared"])
            with os.fdopen(vm.create_guest_memfd(SIZE, answer), "rb", 0) as file:
                memory = mmap.mmap(file.fileno(), SIZE)
                run(kvm, vm, file.fileno(), memory)
            print(f"the guest wrote {memory[TARGET : TARGET + 2].decode()!r} and halted")
    except NegotiationError as error:
        print(f"not run: {error.resolution.headline}")
    except KvmUnavailableError as error:
        print(f"not run: {error}; {error.remedy}")


def run(kvm: Kvm, vm: Vm, fd: int, memory: mmap.mmap) -> None:
    """Put the code at address 0, bind the file to a slot there, and run one VCPU until it halts."""
    memory[: len(CODE)] = CODE
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    # struct kvm_userspace_memory_region2: slot, flags, guest address, size, userspace address,
    # offset in the file, the file, padding.
    slot = struct.pack("IIQQQQI116x", 0, KVM_MEM_GUEST_MEMFD, 0, SIZE, address, 0, fd)
    fcntl.ioctl(vm.fileno(), KVM_SET_USER_MEMORY_REGION2, slot)
    vcpu = fcntl.ioctl(vm.fileno(), KVM_CREATE_VCPU, 0)
    try:
        sregs = bytearray(fcntl.ioctl(vcpu, KVM_GET_SREGS, bytes(312)))
        sregs[:8], sregs[12:14] = bytes(8), bytes(2)  # cs.base and cs.selector: address 0
        fcntl.ioctl(vcpu, KVM_SET_SREGS, sregs)
        regs = bytearray(fcntl.ioctl(vcpu, KVM_GET_REGS, bytes(144)))
        struct.pack_into("Q", regs, 0, int.from_bytes(b"hi", "little"))  # rax
        struct.pack_into("QQ", regs, 128, 0, 2)  # rip, rflags
        fcntl.ioctl(vcpu, KVM_SET_REGS, regs)
        with mmap.mmap(vcpu, fcntl.ioctl(kvm.fileno(), KVM_GET_VCPU_MMAP_SIZE)) as state:
            fcntl.ioctl(vcpu, KVM_RUN)
            reason = struct.unpack_from("I", state, 8)[0]  # kvm_run.exit_reason
        if reason != KVM_EXIT_HLT:
            raise RuntimeError(f"the guest ended with exit reason {reason}, not with HLT")
    finally:
        os.close(vcpu)


if __name__ == "__main__":
    main()
