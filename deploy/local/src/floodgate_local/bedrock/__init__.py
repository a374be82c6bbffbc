"""A server on loopback that speaks the Bedrock Runtime protocol, with a small local model behind it."""
