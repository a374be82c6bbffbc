"""What the agent reaches outside: the shop over HTTP, the model over Bedrock."""
