"""From a team's own history to a draft of its catalogue: an Intercom export, clustered into proposed categories."""
