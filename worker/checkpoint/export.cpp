#include "worker/checkpoint/export.hpp"

#include <cstdio>

#include "common/small_file.hpp"
#include "worker/checkpoint/checkpoint_files.hpp"

namespace lockstep {

void export_weights(const std::string& path, const Layout& layout, const at::Tensor& flat,
                    std::int64_t step) {
  const auto file = model_file(path + ".writing", layout);
  std::remove(file.path().c_str());  // left by a process that was killed
  with_patience([&] {
    file.create();
    write_model_part(file, layout, {0, layout.size()}, flat.data_ptr<float>(), step);
  });
  rename_file(file.path(), path);
}

}  // namespace lockstep
