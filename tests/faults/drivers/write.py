"""Write three artifacts over and over, each time with the next number as content; say each that is there."""

import sys
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd

from influaug.files import sealed
from studies.storage import artifacts

folder = Path(sys.argv[1])
for number in count(int(sys.argv[2])):
    about = artifacts.manifest(str(number))
    sealed.write_arrays(folder / "a.npz", about, values=np.full(2_000_000, number))
    artifacts.write_table(folder / "a.parquet", about, pd.DataFrame({"values": np.full(200_000, number)}))
    sealed.write_json(folder / "a.json", {"values": [number] * 20_000})
    sys.stdout.write(f"{number}\n")
