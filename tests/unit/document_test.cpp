// The template and the document of all parameters, and the words they are made of.
#include "configs/document.hpp"

#include <gtest/gtest.h>

#include <sstream>

#include "configs/phrases.hpp"
#include "configs/rules.hpp"
#include "configs/text.hpp"
#include "tests/unit/config_file.hpp"

namespace lockstep {
namespace {

TEST(Template, LoadsToTheDefaultsAndHoldsEveryParameter) {
  const ResolvedConfig resolved = load(configuration_template("./parameters.schema.json"));
  EXPECT_EQ(resolved.config, Config{});
  for (const auto& [name, origin] : resolved.origin) EXPECT_NE(origin, "default") << name;
}

TEST(Template, BeginsWithTheSchemaAndSaysOfEveryParameterWhatItIs) {
  const std::string text = configuration_template("some/where.json");
  EXPECT_TRUE(text.starts_with("#:schema some/where.json\n"));
  std::string comments;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(line.size(), 110);
    if (line.starts_with("# ")) comments += line.substr(1);
  }
  for (const Parameter& row : parameters()) {
    for (const std::string& words : {row.what, row.raise, row.lower, bounds_text(row), row.unit})
      EXPECT_TRUE(contains(comments, words)) << words;
  }
}

TEST(Template, StaysOneCommentWhateverTheSchemaIsCalled) {
  EXPECT_EQ(load(configuration_template("a\n[training]\nepochs = 3\xff")).config, Config{});
}

TEST(Document, HoldsEverySectionParameterAndRule) {
  const std::string text = parameters_document();
  for (const Section& section : sections())
    EXPECT_TRUE(contains(text, "\n## " + section.name + "\n")) << section.name;
  for (const Parameter& row : parameters()) {
    const std::size_t at = text.find("\n### " + row.name() + "\n");
    ASSERT_NE(at, std::string::npos) << row.name();
    const std::string block = text.substr(at, text.find("\n#", at + 1) - at);
    for (const std::string& words : {row.what, row.raise, row.lower, bounds_text(row), row.unit, row.since})
      EXPECT_TRUE(contains(block, words)) << row.name() << ": " << words;
    EXPECT_TRUE(
        contains(block, "Default: `" + toml_text(row.default_value, row.bounds.empty_is_auto) + "`."));
    for (const std::string& alias : row.aliases) EXPECT_TRUE(contains(block, "`" + alias + "`")) << alias;
  }
  for (const Rule& rule : rules()) EXPECT_TRUE(contains(text, "\n- " + rule.says + "\n")) << rule.says;
}

TEST(Phrases, SayWhatAValueMayBe) {
  Parameter row{};
  row.default_value = Integer{1}, row.bounds = {.low = 1, .high = 8}, row.unit = "samples";
  EXPECT_EQ(domain_text(row), "a whole number, 1 .. 8 (samples)");
  row.default_value = AutoReal{}, row.unit = "";
  EXPECT_EQ(domain_text(row), "a number or \"auto\", 1 .. 8");
  row.default_value = Text{"a"}, row.bounds = {.choices = {"a", "b"}};
  EXPECT_EQ(domain_text(row), "one of a, b");
  row.bounds = {};
  EXPECT_EQ(domain_text(row), "a string");
}

TEST(Wrapped, BreaksBetweenWordsOnly) {
  EXPECT_EQ(wrapped("aa bb cc", "- ", "  ", 7), "- aa bb\n  cc\n");
  EXPECT_EQ(wrapped("aaaaaaaa b", "", "", 4), "aaaaaaaa\nb\n");
  EXPECT_EQ(wrapped("", "# ", "# ", 4), "# \n");
}

}  // namespace
}  // namespace lockstep
