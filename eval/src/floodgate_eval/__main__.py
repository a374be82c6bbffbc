"""`python -m floodgate_eval`, the same as `floodgate eval`."""

from floodgate.cli.main import main

if __name__ == "__main__":
    import sys

    sys.argv.insert(1, "eval")
    main()
