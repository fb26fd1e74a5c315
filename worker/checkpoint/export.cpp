#include "worker/checkpoint/export.hpp"

#include <cerrno>
#include <cstdio>

#include "worker/checkpoint/checkpoint_files.hpp"

namespace lockstep {

void export_weights(const std::string& path, const Layout& layout, const at::Tensor& flat,
                    std::int64_t step) {
  const auto file = model_file(path + ".writing", layout);
  file.create();
  write_model_part(file, layout, {0, layout.size()}, flat.data_ptr<float>(), step);
  if (std::rename(file.path().c_str(), path.c_str()) != 0) throw file_error("cannot write", path, errno);
}

}  // namespace lockstep
