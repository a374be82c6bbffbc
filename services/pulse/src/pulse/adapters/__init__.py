"""The outside of pulse, named for its technology."""
