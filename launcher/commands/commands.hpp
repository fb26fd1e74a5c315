// The commands of lockstep: each adds itself to the command line, and sets the exit status if it is the one
// chosen.
#pragma once

#include <CLI/CLI.hpp>

namespace lockstep {

void add_train(CLI::App& app, int& status);
void add_check(CLI::App& app, int& status);
void add_eval(CLI::App& app, int& status);
void add_submit(CLI::App& app, int& status);
void add_verify(CLI::App& app, int& status);
void add_pack(CLI::App& app, int& status);
void add_validate(CLI::App& app, int& status);
void add_explain(CLI::App& app, int& status);
void add_template(CLI::App& app, int& status);
void add_import(CLI::App& app, int& status);
void add_schema(CLI::App& app, int& status);
void add_docs(CLI::App& app, int& status);
void add_why(CLI::App& app, int& status);

}  // namespace lockstep
