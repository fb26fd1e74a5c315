#include "worker/watch/trace.hpp"

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "collectives/broadcast.hpp"
#include "common/log.hpp"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

std::string file_of_rank(const std::string& run, int rank) {
  return run + "/trace/rank-" + std::to_string(rank) + ".json";
}

double microseconds(Clock::duration duration) {
  return std::chrono::duration<double, std::micro>(duration).count();
}

}  // namespace

Trace::Trace(Transport& transport, const std::string& run, bool gpu) : transport_(transport), run_(run) {
  const auto path = file_of_rank(run, transport.rank());
  try {
    std::error_code failure;
    fs::create_directories(run + "/trace", failure);
    fs::remove(path, failure);  // of an earlier process of the run
    file_ = std::make_unique<PartFile>(path, PartFile::Mode::write);
  } catch (const Error& error) {
    log_warning(std::string("no trace: ") + error.what());
  }
  text_ = "[\n";
  const auto rank = transport.rank();
  add_name("process_name", Thread::main, "rank " + std::to_string(rank) + " on " + host_name());
  add_name("thread_name", Thread::main, "training");
  add_name("thread_name", Thread::saving, "saving");
  if (gpu) add_name("thread_name", Thread::gpu, "GPU");
  barrier(transport);
  zero_ = Clock::now();
}

void Trace::add_name(const char* what, Thread thread, const std::string& name) {
  const nlohmann::json event = {{"name", what},
                                {"ph", "M"},
                                {"pid", transport_.rank()},
                                {"tid", static_cast<int>(thread)},
                                {"args", {{"name", name}}}};
  text_ += event.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + ",\n";
}

void Trace::add(const std::string& name, Thread thread, Clock::time_point begin, Clock::time_point end,
                std::int64_t step) {
  if (!file_) return;
  char line[256];
  std::snprintf(line, sizeof line, R"({"name":"%s","ph":"X","ts":%.3f,"dur":%.3f,"pid":%d,"tid":%d,"args":{)",
                name.c_str(), microseconds(begin - zero_), microseconds(end - begin), transport_.rank(),
                static_cast<int>(thread));
  text_ += line;
  if (step >= 0) text_ += R"("step":)" + std::to_string(step);
  text_ += "}},\n";
}

void Trace::end_step() {
  write();
  if (++steps_ >= steps_max || written_ >= bytes_max) file_.reset();
}

void Trace::write() {
  if (!file_) return;
  const auto text = std::exchange(text_, {});
  try {
    file_->write(text.data(), std::ssize(text), written_);
    written_ += std::ssize(text);
  } catch (const Error& error) {
    log_warning(std::string("the trace ends here: ") + error.what());
    file_.reset();
  }
}

void Trace::finish() {
  write();
  file_.reset();
  barrier(transport_);
  if (transport_.rank() != 0) return;
  try {
    merge_files();
  } catch (const Error& error) {
    log_warning(std::string("no ") + run_ + "/trace.json: " + error.what());
  }
}

void Trace::merge_files() const {
  std::string all = "[\n";
  for (int rank = 0; rank < transport_.world_size(); ++rank) {
    const auto text = read_file(file_of_rank(run_, rank));
    if (const auto end = text.rfind(",\n"); end != text.npos) all += text.substr(2, end);  // whole lines
  }
  all.replace(all.size() - 2, 2, all.size() > 2 ? "\n]\n" : "[]\n");  // no comma after the last event
  write_file(run_ + "/trace.json", all);
}

}  // namespace lockstep
