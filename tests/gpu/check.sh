#!/bin/bash
# check.sh [part ...]: checks what only a GPU can show, in at most 8 minutes on a machine with one. See --help.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
if [ ! -d build/bin ] && [ -f build/gpu-bundle.tar.gz ] && [ build/gpu-bundle.tar.gz -nt build/gpu-bundle ]; then
  mkdir -p build/gpu-bundle
  tar xzf build/gpu-bundle.tar.gz -C build/gpu-bundle
  touch build/gpu-bundle
fi
python=.venv/bin/python3
[ -x "$python" ] || python=python3
exec env PYTHONDONTWRITEBYTECODE=1 "$python" -m tests.gpu.check "$@"
