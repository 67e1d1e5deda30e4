"""The scripted kernel: KVM ioctls answered by a test, through the real system-call path."""
