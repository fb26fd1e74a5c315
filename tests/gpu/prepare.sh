#!/bin/bash
# prepare.sh: packs what check.sh runs into build/gpu-bundle.tar.gz, for a machine with a GPU but without a compiler or
# Open MPI: the programs, Open MPI, and the libraries that a plain installation lacks. That machine needs this
# repository with the bundle in build/, Python 3, and torch and torchvision from PyPI in the versions that the programs
# were built with.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
bundle=build/gpu-bundle
programs=(lockstep lockstep-worker kernel_bits nccl_gpu_contract_test staged_gpu_contract_test)
most_mib=60

ninja -C build --quiet "${programs[@]}"
rm -rf "$bundle"
mkdir -p "$bundle/bin" "$bundle/lib"
for program in "${programs[@]}"; do strip -o "$bundle/bin/$program" "build/bin/$program"; done

# Open MPI, in the places where it looks below OPAL_PREFIX. Components for networks between hosts are left out.
prefix=/usr
components=$(dirname "$(find $prefix/lib -name mca_btl_vader.so -print -quit)")
help=$prefix/share/openmpi
mkdir -p "$bundle$components" "$bundle$help" "$bundle$prefix/bin"
cp -L "$components"/*.so "$bundle$components/"
rm -f "$bundle$components"/*{ofi,openib,ucx,psm,usnic,portals,cuda,slurm,_tm,sshmem,scoll,spml,memheap}*.so
cp -rL "$help/." "$bundle$help/"
for program in orterun orted; do cp -L "$prefix/bin/$program" "$bundle$prefix/bin/"; done
ln -s orterun "$bundle$prefix/bin/mpirun"

# The libraries that these need, except for the C library, the GPU's driver and what comes with torch.
find "$bundle" -type f \( -name '*.so' -o -perm -u+x \) -exec ldd {} + 2>/dev/null |
  awk '$2 == "=>" && $3 ~ /^\// {print $3}' | sort -u |
  grep -vE '/(libc|libm|libdl|librt|libpthread|libutil|libresolv|ld-linux[^/]*)\.so' |
  grep -vE '/lib(torch|c10|cuda|cudart|cudnn|cublas|cupti|nccl|nv)[^/]*$' |
  xargs -I{} cp -Ln {} "$bundle/lib/"

tar czf "$bundle.tar.gz" -C "$bundle" .
mib=$(du -sm "$bundle.tar.gz" | cut -f1)
if [ "$mib" -gt "$most_mib" ]; then
  echo "$bundle.tar.gz has $mib MiB (more than $most_mib are too many to copy along) leave out what is largest: du -a $bundle | sort -n" >&2
  exit 1
fi
rm -rf "$bundle"
echo "$bundle.tar.gz: $mib MiB"
