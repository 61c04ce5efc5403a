"""Writes tests/golden/formats: one table as Parquet and Arrow files of several programs, arrays of NumPy, and the expected text.

Needs numpy, pandas, polars, pyarrow and zstandard. The versions of the stored files are in formats/README.md.
"""

import csv
import datetime as dt
import decimal
import io
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import zstandard

OUT = Path(__file__).parent / "formats"
ROWS = 50
START = dt.datetime(2021, 3, 27, 23, 0)

rng = np.random.default_rng(7)
stamps = [START + dt.timedelta(minutes=30 * i) for i in range(ROWS)]
f64 = [None if i % 11 == 3 else float("nan") if i % 11 == 5 else float(v) for i, v in enumerate(rng.normal(0, 40, ROWS))]
f32 = [np.float32(v) for v in rng.normal(0, 1, ROWS)]
i64 = [int(v) for v in rng.integers(-(2**53), 2**53, ROWS)]
u8 = [None if i % 7 == 2 else i % 200 for i in range(ROWS)]
flag = [i % 3 == 0 for i in range(ROWS)]
word = ["a,b", 'say "x"', "é", "", None][0:5] * (ROWS // 5)
kind = [None if i % 13 == 1 else ("low", "mid", "high")[i % 3] for i in range(ROWS)]
day = [stamp.date() for stamp in stamps]
price = [decimal.Decimal(i * 7 - 100) / 100 for i in range(ROWS)]


def text(value):
    """The cell of a value: shortest floats, empty cells for missing values."""
    if value is None or isinstance(value, float) and value != value:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    return str(value)


def iso(moment, suffix=""):
    digits = f".{moment.microsecond:06}".rstrip("0") if moment.microsecond else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{digits}{suffix}"


def write_csv(name, columns):
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values()))
    (OUT / name).write_text(out.getvalue())
    return out.getvalue()


precise = [stamp + dt.timedelta(microseconds=i) for i, stamp in enumerate(stamps)]
india = dt.timedelta(hours=5, minutes=30)
columns = {
    "time": [iso(s) for s in stamps],
    "f64": [text(v) for v in f64],
    "f32": [str(v) for v in f32],
    "i64": [text(v) for v in i64],
    "u8": [text(v) for v in u8],
    "flag": [text(v) for v in flag],
    "word": [text(v) for v in word],
    "kind": [text(v) for v in kind],
    "day": [str(v) for v in day],
    "price": [f"{v:.2f}" for v in price],
    "berlin": [iso(s, "Z") for s in precise],
    "india": [iso(s + india, "+05:30") for s in precise],
    "nested": ["a value of type List"] * ROWS,
}
OUT.mkdir(exist_ok=True)
table_text = write_csv("table.csv", columns)
(OUT / "table.csv.zst").write_bytes(zstandard.compress(table_text.encode()))

table = pa.table(
    {
        "time": pa.array(stamps, pa.timestamp("ms")),
        "f64": pa.array(f64, pa.float64(), from_pandas=False),
        "f32": pa.array(f32, pa.float32()),
        "i64": pa.array(i64, pa.int64()),
        "u8": pa.array(u8, pa.uint8()),
        "flag": pa.array(flag, pa.bool_()),
        "word": pa.array(word, pa.string()),
        "kind": pa.array(kind, pa.string()).dictionary_encode(),
        "day": pa.array(day, pa.date32()),
        "price": pa.array(price, pa.decimal128(12, 2)),
        "berlin": pa.array(precise, pa.timestamp("us")).cast(pa.timestamp("us", "Europe/Berlin")),
        "india": pa.array(precise, pa.timestamp("ns")).cast(pa.timestamp("ns", "+05:30")),
        "nested": pa.array([[i] for i in range(ROWS)], pa.list_(pa.int32())),
    }
)
groups = {"row_group_size": 16}
pq.write_table(table, OUT / "pyarrow_snappy.parquet", **groups)
pq.write_table(table, OUT / "pyarrow_gzip_v2.parquet", compression="gzip", data_page_version="2.0", version="2.6", **groups)
pq.write_table(table, OUT / "pyarrow_brotli.parquet", compression="brotli", use_dictionary=False, **groups)
pq.write_table(table, OUT / "pyarrow_lz4.parquet", compression="lz4", data_page_size=64, **groups)
pq.write_table(table, OUT / "pyarrow_none.parquet", compression="none", use_byte_stream_split=["f64", "f32"], use_dictionary=False)
pq.write_table(table, OUT / "pyarrow_zstd.parquet", compression="zstd", store_schema=False, **groups)
delta = {"f64": "PLAIN", "i64": "DELTA_BINARY_PACKED", "u8": "DELTA_BINARY_PACKED", "word": "DELTA_BYTE_ARRAY", "flag": "RLE"}
pq.write_table(table, OUT / "pyarrow_delta.parquet", use_dictionary=False, column_encoding=delta, data_page_version="2.0")
for compression in ("uncompressed", "lz4", "zstd"):
    feather.write_feather(table, OUT / f"pyarrow_{compression}.feather", compression=compression, chunksize=16)
with pa.ipc.new_stream(OUT / "pyarrow_stream.arrows", table.schema) as stream:
    stream.write_table(table, max_chunksize=16)

# The columns that pandas and polars have without pyarrow's types.
names = ["time", "f64", "f32", "i64", "word"]
write_csv("plain.csv", {name: columns[name] for name in names})
write_csv("index.csv", {("index" if name == "time" else name): columns[name] for name in ["f64", "f32", "i64", "word", "time"]})
frame = pd.DataFrame({"f64": f64, "f32": f32, "i64": i64, "word": word}, index=pd.DatetimeIndex(stamps))
frame.to_parquet(OUT / "pandas_index.parquet")
frame.rename_axis("time").reset_index().to_parquet(OUT / "pandas.parquet")
frame.rename_axis("time").reset_index().to_feather(OUT / "pandas.feather")
polars = pl.DataFrame({"time": stamps, "f64": f64, "f32": pl.Series(f32, dtype=pl.Float32), "i64": i64, "word": word})
polars.write_parquet(OUT / "polars.parquet")
polars.write_ipc(OUT / "polars.arrow", compression="zstd")
polars.write_ipc_stream(OUT / "polars.arrows", compression="lz4")

cube = np.arange(24, dtype=np.float32).reshape(4, 3, 2) / 8
cube[1, 2, 0] = np.nan
flow = np.arange(12, dtype=">i2").reshape(4, 3) - 5
np.savez_compressed(OUT / "cube.npz", data=cube)
np.savez(OUT / "several.npz", data=cube, flow=flow, mean=np.float64(0.5), steps=np.arange(4))
np.savez(OUT / "one_table.npz", flow=np.asfortranarray(flow), mean=np.float64(0.5), steps=np.arange(4))
np.save(OUT / "line.npy", np.array([0.1, 2, -3], np.float16))
np.save(OUT / "fortran.npy", np.asfortranarray(cube))

# The data of the page's test: three targets, two covariates, a driver for each target.
hours = 320
angle = 2 * np.pi * np.arange(hours) / 24
drivers = [np.cos(angle * k) + rng.normal(0, 0.3, hours) for k in (1, 2, 3)]
targets = [10 * k + np.sin(angle + k) + 0.5 * d + rng.normal(0, 0.1, hours) for k, d in enumerate(drivers)]
values = [*targets, np.sin(angle / 7), rng.normal(0, 1, hours), *drivers]
tiny = {name: np.round(v, 4) for name, v in zip("a1 a2 a3 heat wind d1 d2 d3".split(), values)}
for k in range(3):
    tiny[f"a{k + 1}"][7 + k :: 41] = np.nan
tiny = pd.DataFrame({"time": pd.date_range("2024-01-01", periods=hours, freq="h"), **tiny})
tiny.to_csv(OUT / "tiny.csv", index=False)
tiny.to_parquet(OUT / "tiny.parquet", compression="zstd")
(OUT / "tiny.csv.zst").write_bytes(zstandard.compress((OUT / "tiny.csv").read_bytes()))

versions = {module.__name__: module.__version__ for module in (np, pd, pl, pa, zstandard)}
listed = "".join(f"- {name} {version}\n" for name, version in versions.items())
(OUT / "README.md").write_text(f"Written by `../make_format_files.py` with:\n\n{listed}")
