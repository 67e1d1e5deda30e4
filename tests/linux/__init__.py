"""The tests of the Linux edge, without a real KVM where that is possible."""
