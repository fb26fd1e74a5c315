#include "worker/controller/plan.hpp"

#include <exception>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "common/filesystem_error.hpp"
#include "configs/print.hpp"
#include "worker/files/plan_hash.hpp"
#include "worker/ranks/agreement.hpp"

namespace lockstep {
namespace {

using nlohmann::json;

std::string to_text(const Plan& plan) {
  return json{{"config", to_json(plan.config)},
              {"task", static_cast<int>(plan.task)},
              {"output", plan.output},
              {"data", plan.data}}
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

Plan from_text(const std::string& text) {
  const auto object = json::parse(text);
  return {config_from_json(object.at("config")),
          static_cast<Task>(object.at("task").get<int>()),
          object.at("output"),
          {},
          object.at("data")};
}

}  // namespace

Plan share_plan(Transport& transport, const std::function<Plan()>& make) {
  std::string text;
  std::exception_ptr failure;  // kept as thrown: a ConfigError is printed in its own way
  if (transport.rank() == 0) {
    try {
      text = to_text(make());
    } catch (const Error& error) {
      failure = std::current_exception();
      text = json{{"exit_code", static_cast<int>(error.exit_code())}}.dump();
    } catch (const std::filesystem::filesystem_error& error) {
      const auto as_error = file_error(error);
      failure = std::make_exception_ptr(as_error);
      text = json{{"exit_code", static_cast<int>(as_error.exit_code())}}.dump();
    }
  }
  text = broadcast_text(transport, text);
  if (failure) std::rethrow_exception(failure);
  if (const auto object = json::parse(text); object.contains("exit_code")) {
    throw Error(static_cast<ExitCode>(object["exit_code"].get<int>()), "rank 0 refused to start");
  }
  auto plan = from_text(text);
  require_same(transport, "the plan", plan.hash().hex(),
               "start all ranks with the same binary and libraries");
  return plan;
}

Hash128 Plan::hash() const { return plan_hash(config, grown_from); }

}  // namespace lockstep
