"""The agent's prompts: one versioned file each."""
