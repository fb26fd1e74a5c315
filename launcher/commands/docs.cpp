#include <iostream>
#include <memory>

#include "configs/document.hpp"
#include "launcher/commands/commands.hpp"

namespace lockstep {

void add_docs(CLI::App& app, int& status) {
  auto what = std::make_shared<std::string>();
  CLI::App* command =
      app.add_subcommand("docs", "Print a document that is written from the table of parameters");
  command->add_option("WHAT", *what, "parameters: all of them, in Markdown")
      ->required()
      ->check(CLI::IsMember({"parameters"}));
  command->footer(
      "Examples:\n"
      "  lockstep docs parameters > docs/parameters.md\n"
      "  lockstep docs parameters | less");
  command->callback([&status] {
    std::cout << parameters_document();
    status = 0;
  });
}

}  // namespace lockstep
