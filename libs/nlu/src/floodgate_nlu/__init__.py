"""Small local models that stand behind the local Bedrock server and the firewall's cascade."""
