#!/usr/bin/env python3
"""Makes examples/data/wind.csv.gz, the input of wind-day.toml, from GEFCom2014's wind track (task 15).

    python3 examples/make_wind.py FOLDER

FOLDER contains Task15_W_Zone1.csv .. Zone10.csv (columns ZONEID, TIMESTAMP, TARGETVAR, U10, V10, U100, V100) and
TaskExpVars15_W_Zone1.csv .. Zone10.csv (the same without TARGETVAR), also in subfolders.
The output has one row per hour and five columns per farm. Only the Python standard library is needed.
"""

import csv
import datetime
import gzip
import pathlib
import re
import sys

DRIVERS = ["U10", "V10", "U100", "V100"]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    cells = {}  # (time, column) -> text
    zones = set()
    for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.csv")):
        match = re.fullmatch(r"Task(?:ExpVars)?15_W_Zone(\d+)\.csv", path.name)
        if match is None:
            continue
        zones.add(zone := int(match[1]))
        with open(path, newline="") as file:
            for row in csv.DictReader(file):
                time = datetime.datetime.strptime(row["TIMESTAMP"], "%Y%m%d %H:%M")
                for name in ["TARGETVAR", *DRIVERS]:
                    text = row.get(name, "")
                    if text not in ("", "NA"):
                        cells[time, f"z{zone}_{name}"] = f"{float(text):.8g}"
    if zones != set(range(1, 11)):
        sys.exit(f"make_wind: expected the files of zones 1 to 10, found zones {sorted(zones)}")
    columns = [f"z{zone}_{name}" for zone in sorted(zones) for name in ["TARGETVAR", *DRIVERS]]
    out = pathlib.Path(__file__).parent / "data" / "wind.csv.gz"
    out.parent.mkdir(exist_ok=True)
    times = sorted({time for time, _ in cells})
    with gzip.open(out, "wt", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["timestamp", *columns])
        for time in times:
            writer.writerow([time.strftime("%Y-%m-%d %H:%M"), *(cells.get((time, c), "") for c in columns)])
    print(f"{out}: {len(times)} rows, {times[0]} to {times[-1]}")


if __name__ == "__main__":
    main()
