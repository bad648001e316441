# etc-edge on a Jetson Thor with JetPack 7, on NVIDIA's image of TensorRT (CUDA 13.0, TensorRT 10.13, Python 3.12): from
# JetPack 7 on, boards take the same images as Arm servers. For JetPack 7.2 give a newer one by --build-arg IMAGE=….
# Checked by hadolint; not yet built or run on a board.
#
#   docker build --file docker/jetpack7.Dockerfile --tag etc-edge:jetpack7 .
ARG IMAGE=nvcr.io/nvidia/tensorrt:25.08-py3
FROM ${IMAGE}

SHELL ["/bin/bash", "-o", "pipefail", "-c"]

# Versions of Debian packages are those of the image's own release.
# hadolint ignore=DL3008
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        g++ python3-dev python3-venv \
        python3-gi gir1.2-gst-plugins-base-1.0 gstreamer1.0-plugins-good gstreamer1.0-plugins-bad \
    && rm -rf /var/lib/apt/lists/*

# The image's TensorRT is the system's: the environment has to see it. It is found and not imported, since it needs a
# driver, which NVIDIA's container runtime brings in when the image runs.
RUN python3 -m venv --system-site-packages /opt/etc-edge \
    && /opt/etc-edge/bin/python -c 'from importlib.util import find_spec as f; assert f("tensorrt"), "no TensorRT here"'
ENV PATH=/opt/etc-edge/bin:/usr/local/cuda/bin:${PATH}
# The image pins packages of its own by this variable.
ENV PIP_CONSTRAINT=

WORKDIR /opt/source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY etc_edge etc_edge
COPY recipes recipes
COPY calibration calibration
# pycuda is compiled against the image's CUDA. The extra `tensorrt` would bring another TensorRT than the image's.
RUN pip install --no-cache-dir --constraint constraints.txt '.[graph,preview]' \
    && pip install --no-cache-dir 'pycuda>=2024.1'

WORKDIR /data
ENV ETC_EDGE_CACHE=/cache
VOLUME /cache
CMD ["etc-edge", "doctor"]
