"""The tests that need a real /dev/kvm."""
