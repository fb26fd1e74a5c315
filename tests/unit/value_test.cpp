// Values as TOML, and texts made fit for messages. What is written is read back by toml++, which is
// independent code.
#include "configs/value.hpp"

#include <gtest/gtest.h>
#include <toml++/toml.h>

#include <cfloat>
#include <cmath>

#include "configs/text.hpp"

namespace lockstep {
namespace {

template <class T>
T read_back(const std::string& text) {
  return toml::parse("value = " + text)["value"].value_exact<T>().value();
}

TEST(RealText, IsTheShortestThatReadsBackExactly) {
  EXPECT_EQ(real_text(0.1), "0.1");
  EXPECT_EQ(real_text(1e-8), "1e-08");
  EXPECT_EQ(real_text(1.0), "1.0");
  EXPECT_EQ(real_text(1.0 / 3), "0.3333333333333333");
  EXPECT_EQ(real_text(123456789.0), "123456789.0");
}

TEST(RealText, IsAFloatOfTomlAndReadsBackExactly) {
  double value = 1.0;
  for (int i = 0; i < 2000; ++i) {  // walks over the exponents by multiplication, with changing digits
    value *= i % 2 == 0 ? 1.9173 : -0.4391;
    EXPECT_EQ(read_back<double>(real_text(value)), value);
    EXPECT_EQ(read_back<double>(real_text(1 / value)), 1 / value);
  }
  for (const double value : {0.0, DBL_MAX, -DBL_MAX, DBL_MIN, 5e-324, 1e15, 1e16, 1e17, 1e22, 1e23})
    EXPECT_EQ(read_back<double>(real_text(value)), value);
}

TEST(Quoted, ReadsBackExactly) {
  std::string every_byte_of_ascii;
  for (int c = 0; c < 128; ++c) every_byte_of_ascii += static_cast<char>(c);
  for (const std::string& text : {std::string("plain"), std::string(), std::string("\"\\"),
                                  every_byte_of_ascii, std::string("\xc3\xbc \xe5\xad\x97 \xf0\x9f\x8e\xb2")})
    EXPECT_EQ(read_back<std::string>(quoted(text)), text);
}

TEST(TomlText, WritesEachTypeAsTomlReadsIt) {
  EXPECT_EQ(toml_text(Integer{-3}, false), "-3");
  EXPECT_EQ(toml_text(Real{3}, false), "3.0");
  EXPECT_EQ(toml_text(Flag{true}, false), "true");
  EXPECT_EQ(toml_text(Flag{false}, false), "false");
  EXPECT_EQ(toml_text(Text{"a \"b\""}, false), "\"a \\\"b\\\"\"");
  EXPECT_EQ(toml_text(Integers{1, 2}, false), "[1, 2]");
  EXPECT_EQ(toml_text(Integers{}, false), "[]");
  EXPECT_EQ(toml_text(Reals{0.5, 2}, true), "[0.5, 2.0]");
  EXPECT_EQ(toml_text(Reals{}, true), "\"auto\"");
  EXPECT_EQ(toml_text(AutoInteger{7}, false), "7");
  EXPECT_EQ(toml_text(AutoInteger{}, false), "\"auto\"");
  EXPECT_EQ(toml_text(AutoReal{0.1}, false), "0.1");
  EXPECT_EQ(toml_text(AutoReal{}, false), "\"auto\"");
}

TEST(OnOneLine, LeavesNoControlCharacterAndNoBrokenUtf8) {
  EXPECT_EQ(on_one_line("a\nb\tc\x7f"), "a?b?c?");
  EXPECT_EQ(on_one_line("\xc3\xbc"), "\xc3\xbc");
  EXPECT_EQ(on_one_line("\xc3\xbc\xff"), "???");
}

TEST(Shortened, CutsLongTextsBetweenCharacters) {
  EXPECT_EQ(shortened(std::string(60, 'a')), std::string(60, 'a'));
  EXPECT_EQ(shortened(std::string(61, 'a')), std::string(57, 'a') + "...");
  EXPECT_EQ(shortened("abcdef", 5), "ab...");
  std::string text = "ab";
  for (int i = 0; i < 40; ++i) text += "\xc3\xbc";  // byte 57 is the first half of a character
  EXPECT_EQ(shortened(text), text.substr(0, 56) + "...");
}

}  // namespace
}  // namespace lockstep
