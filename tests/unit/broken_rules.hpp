// Which rules between parameters a configuration breaks.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "configs/rules.hpp"

namespace lockstep {

inline std::string said(const Config& config) {
  std::string text;
  for (const BrokenRule& rule : broken_rules(config)) text += rule.problem.text() + "\n";
  return text;
}

/// The broken rule, of which there must be exactly one.
inline BrokenRule only_broken_rule(const Config& config) {
  const std::vector<BrokenRule> broken = broken_rules(config);
  EXPECT_EQ(broken.size(), 1) << said(config);
  return broken.empty() ? BrokenRule{} : broken[0];
}

inline void expect_broken(const Config& config, const std::vector<std::string>& names,
                          const std::string& remedy) {
  const BrokenRule rule = only_broken_rule(config);
  EXPECT_EQ(rule.names, names);
  EXPECT_NE(rule.problem.text().find(remedy), std::string::npos) << rule.problem.text();
}

inline void expect_kept(const Config& config) { EXPECT_EQ(said(config), ""); }

}  // namespace lockstep
