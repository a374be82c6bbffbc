"""`python -m knowledge`: the job's commands, as under `floodgate knowledge`."""

from knowledge.cli import app

if __name__ == "__main__":
    app()
