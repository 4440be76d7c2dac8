# Wheels are built where there is a compiler, and installed where there is none.
FROM python:3.11-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc g++ && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . ./plugins/baler_root ./plugins/baler_hdf5 ./plugins/baler_fits ./plugins/baler_parquet ./plugins/baler_zarr ./plugins/baler_vtk

FROM python:3.11-slim
COPY constraints.txt /tmp/constraints.txt
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    python -m pip install --no-cache-dir --constraint /tmp/constraints.txt --find-links /wheels "baler-core[hep,cfd,astro,tables,zarr,report]"
RUN useradd --create-home baler
WORKDIR /data
USER baler
ENTRYPOINT ["baler"]
CMD ["--help"]
