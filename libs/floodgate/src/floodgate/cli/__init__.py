"""The `floodgate` command: one subcommand per job, contributed by whatever is installed."""
