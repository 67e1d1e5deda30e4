"""`gmemflags show` on the hosts that come with it: what is printed, and what is told apart."""

import json

import pytest

from gmemflags import records
from gmemflags._cli._hosts import HOSTS
from gmemflags._cli._options import CATALOGS
from gmemflags._cli._status import as_command_error
from gmemflags import MAINLINE
from gmemflags import KvmUnavailableError, Unavailable
from gmemflags import query
from tests.cli.runs import error, run

FIRECRACKER = "firecracker-secret-free"


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("catalog", CATALOGS)
def test_every_host_under_every_catalog_fits_on_the_screen(host: str, catalog: str) -> None:
    """Eighty columns of ASCII, whichever names the bits get, and the origin is told."""
    answer = run("show", "--host", host, "--catalog", catalog)
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.isascii()
    assert max(map(len, answer.out.splitlines())) <= 80
    assert f"host    {host}, {HOSTS[host].how}: " in answer.out
    assert f"catalog {catalog}\n" in answer.out


def test_without_a_vm_only_dev_kvm_is_asked() -> None:
    """--no-create-vm leaves one section."""
    answer = run("show", "--host", "linux-6.8-x86_64", "--no-create-vm")
    assert answer.status == 0
    assert answer.out.count("scope: ") == 1
    assert "System scope: /dev/kvm" in answer.out


@pytest.mark.parametrize(
    ("host", "sentences"),
    [
        ("linux-6.7-x86_64", ["No guest_memfd: the kernel has none, for any type of VM."]),
        (
            "linux-6.8-x86_64",
            [
                "guest_memfd takes no flag, as in Linux 6.8 to 6.17: only flags == 0 is valid.",
                "No guest_memfd for this type of VM, though the kernel has it for others.",
            ],
        ),
        ("linux-6.18-x86_64", ["Lists MMAP|INIT_SHARED (0x3)."]),
        (
            "linux-6.18-x86_64-confidential",
            [
                "Lists MMAP (bit 0, 0x1).",
                "Does not list INIT_SHARED (bit 1, 0x2).",
                "Unlike /dev/kvm: INIT_SHARED (bit 1, 0x2) is not listed.",
            ],
        ),
        (
            "firecracker-secret-free-x86_64",
            ["Of these, linux-mainline does not name bit 2 (0x4), bit 3 (0x8)."],
        ),
    ],
)
def test_the_noes_are_told_apart(host: str, sentences: list[str]) -> None:
    """No guest_memfd, not for this VM, no flag at all, and not this flag are four answers."""
    out = run("show", "--host", host).out
    for sentence in sentences:
        assert f"  {sentence}\n" in out


@pytest.mark.parametrize("host", HOSTS)
def test_json_is_one_record_for_each_descriptor(host: str) -> None:
    """Each line is read back as what was asked; masks are hexadecimal texts."""
    answer = run("show", "--host", host, "--json")
    assert (answer.status, answer.err) == (0, "")
    recorded = HOSTS[host]
    expected = [query(recorded.system)]
    for vm_type in recorded.on_vm:
        with recorded.vm(vm_type) as vm:
            expected.append(query(vm))
    lines = answer.out.splitlines()
    assert [records.loads(line) for line in lines] == expected
    assert all(json.loads(line)["origin"].endswith(f"({recorded.how})") for line in lines)


def test_a_numbered_flags_hi_is_asked_after_a_warning() -> None:
    """Bits 63:32 become knowable, under a catalog with another name."""
    answer = run("show", "--host", "linux-6.18-x86_64", "--flags-hi", "250")
    assert answer.status == 0
    assert answer.err == (
        "gmemflags: warning: capability 250 is read as bits 63:32 of the flags,"
        " because you said so\n"
        "gmemflags: to do: check the number: a wrong one turns another capability's answer into"
        " flags\n"
    )
    assert "catalog linux-mainline+flags-hi-250\n" in answer.out
    assert "unknowable  " not in answer.out
    assert MAINLINE.capabilities["GUEST_MEMFD_FLAGS_HI"] is None


def test_a_wrong_number_does_what_the_warning_says() -> None:
    """The answer of another capability is shown as a flag that nobody has."""
    answer = run("show", "--host", f"{FIRECRACKER}-x86_64", "--flags-hi", "245")
    assert answer.status == 0
    assert "because you said so (in mainline 245 is KVM_CAP_ARM_SEA_TO_USER)\n" in answer.err
    assert "does not name bit 2 (0x4), bit 3 (0x8),\n      bit 32 (0x100000000).\n" in answer.out


def test_a_number_that_the_catalog_has_is_refused() -> None:
    """245 is another capability in that tree, so it cannot be FLAGS_HI as well."""
    answer = run("show", "--catalog", FIRECRACKER, "--flags-hi", "245")
    assert (answer.status, answer.out) == (2, "")
    assert answer.err == error(
        f"catalog {FIRECRACKER}+flags-hi-245: GUEST_MEMFD_FLAGS_HI and USERFAULT have the same"
        " number 245",
        "choose another catalog, or another number for --flags-hi",
    )


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/dev/null", "Inappropriate ioctl for device (errno 25, not-kvm)"),
        ("/nonexistent", "No such file or directory (errno 2, no-device)"),
        ("", "No such file or directory (errno 2, no-device)"),
        ("/", "Is a directory (errno 21, "),
        ("x" * 300, "File name too long (errno 36, failed)"),
    ],
)
def test_a_device_that_is_no_kvm_is_no_answer(path: str, text: str) -> None:
    """Status 3, with what is wrong and what to do."""
    answer = run("show", "--device", path)
    assert (answer.status, answer.out) == (3, "")
    shown = path or "''"
    assert answer.err.startswith(f"gmemflags: error: {shown}: {text}")
    assert answer.err.count("\n") == 2


@pytest.mark.parametrize("reason", Unavailable)
def test_a_recorded_host_helps_where_there_is_no_device(reason: Unavailable) -> None:
    """The library's own remedy but for descriptors, and --host where that makes sense."""
    end = as_command_error(KvmUnavailableError(5, "Broken", "it", reason))
    remedy = KvmUnavailableError(5, "Broken", "it", reason).remedy
    if reason is Unavailable.NOT_KVM:
        remedy = "give the path of the KVM device, as a rule /dev/kvm"
    helps = reason in (Unavailable.NO_DEVICE, Unavailable.NO_PERMISSION, Unavailable.NOT_KVM)
    assert end.what == f"it: Broken (errno 5, {reason})"
    assert end.remedy == f"{remedy}{'; --host NAME needs no device' if helps else ''}"
    assert end.status == 3


def test_a_path_with_control_characters_is_shown_in_one_line() -> None:
    """No path can clear the screen, or pretend to be another line."""
    answer = run("show", "--device", "/nope\n\x1b[2J\udcff")
    assert answer.status == 3
    assert answer.err.startswith("gmemflags: error: /nope\\n\\x1b[2J\\udcff: No such file")
    assert answer.err.count("\n") == 2
