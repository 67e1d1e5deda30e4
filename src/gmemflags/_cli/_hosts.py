from gmemflags.testing import hosts as HOSTS
