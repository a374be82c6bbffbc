"""A stand-in for Intercom: the calls that Floodgate makes, refused and answered as the published API describes."""
