"""The tests of masks, words, flags and the C long."""
