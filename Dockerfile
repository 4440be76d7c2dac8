FROM python:3.11-slim
WORKDIR /baler
RUN apt-get update && apt-get install -y --no-install-recommends gcc g++ make && rm -rf /var/lib/apt/lists/*
COPY . .
RUN useradd --create-home baler
RUN python -m pip install --no-cache-dir --constraint constraints.txt ".[all]" ./plugins/baler_root ./plugins/baler_hdf5 ./plugins/baler_fits
WORKDIR /data
USER baler
ENTRYPOINT ["baler"]
CMD ["--help"]
