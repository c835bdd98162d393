#!/usr/bin/env bash
# Fetch what a GPU machine with PyTorch and without a network lacks, as wheels: tools/gpu_wheels.sh [FOLDER]
# PYTHON is the version over there. On that machine, in this folder:
#   python3 -m pip install --no-index --no-deps --target SITE .wheels/*.whl
#   PYTHONPATH=SITE python3 tools/gpu_report.py -o DIR
set -euo pipefail
folder=${1:-.wheels}
python=${PYTHON:-3.12}
packages=(addict kornia kornia-rs lpips mmcv-lite==2.2.0 mmengine==0.10.7 platformdirs termcolor yapf)
platforms=()
# pip takes each name of a platform only as it is written.
for platform in manylinux_2_34 manylinux_2_28 manylinux_2_27 manylinux_2_17 manylinux2014 manylinux1; do
    platforms+=(--platform "${platform}_x86_64")
done
rm -rf "$folder"
python3 -m pip download --quiet --no-deps --only-binary=:all: --implementation cp --python-version "$python" \
    "${platforms[@]}" --dest "$folder" "${packages[@]}"
du --human-readable --summarize "$folder"
