# etc-edge on a Jetson Orin with JetPack 6.1 or 6.2, on NVIDIA's image of it (CUDA 12.6, TensorRT 10.3, Python 3.10).
# Checked by hadolint; not yet built or run on a board.
#
#   docker build --file docker/jetpack6.Dockerfile --tag etc-edge:jetpack6 .
ARG IMAGE=nvcr.io/nvidia/l4t-jetpack:r36.4.0
FROM ${IMAGE}

SHELL ["/bin/bash", "-o", "pipefail", "-c"]

# Versions of Debian packages are those of the image's own release.
# hadolint ignore=DL3008
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        g++ python3-dev python3-venv \
        python3-gi gir1.2-gst-plugins-base-1.0 gstreamer1.0-plugins-good gstreamer1.0-plugins-bad \
    && rm -rf /var/lib/apt/lists/*

# JetPack's TensorRT is the system's: the environment has to see it. It is found and not imported, since its libraries
# need the board's own, which NVIDIA's container runtime brings in when the image runs.
RUN python3 -m venv --system-site-packages /opt/etc-edge \
    && /opt/etc-edge/bin/python -c 'from importlib.util import find_spec as f; assert f("tensorrt"), "no TensorRT here"'
ENV PATH=/opt/etc-edge/bin:/usr/local/cuda/bin:${PATH}

WORKDIR /opt/source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY etc_edge etc_edge
COPY recipes recipes
COPY calibration calibration
# pycuda is compiled against the image's CUDA. The extra `tensorrt` would bring another TensorRT than the board's.
RUN pip install --no-cache-dir --constraint constraints.txt '.[graph,preview]' \
    && pip install --no-cache-dir 'pycuda>=2024.1'

WORKDIR /data
ENV ETC_EDGE_CACHE=/cache
VOLUME /cache
CMD ["etc-edge", "doctor"]
