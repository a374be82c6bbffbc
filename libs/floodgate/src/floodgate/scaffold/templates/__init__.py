"""The templates of `floodgate new-service`."""
