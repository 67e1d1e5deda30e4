"""Real kernels with KVM on emulated machines: `make kernels`, and not part of the default run."""
