// Weights files as users have them, and malformed ones.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <stdexcept>

#include "tests/unit/refusal.hpp"
#include "tests/unit/scratch_folder.hpp"
#include "worker/files/file.hpp"
#include "worker/files/safetensors.hpp"
#include "worker/files/safetensors_header.hpp"
#include "worker/models/foreign_file.hpp"
#include "worker/models/model.hpp"
#include "worker/models/pretrained.hpp"

namespace lockstep {
namespace {

using namespace std::literals;

std::string entry(const std::string& name, int begin, int end, const std::string& shape = "[2]",
                  const std::string& dtype = "F32") {
  return "\"" + name + R"(": {"dtype": ")" + dtype + R"(", "shape": )" + shape + R"(, "data_offsets": [)" +
         std::to_string(begin) + ", " + std::to_string(end) + "]}";
}

void expect_header_refused(const std::string& header, std::int64_t data_bytes, const std::string& why) {
  try {
    tensors_in_header(header, 100, data_bytes);
    ADD_FAILURE() << header << " was taken";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find(why), std::string::npos) << error.what() << "\nlacks " << why;
  }
}

TEST(SafetensorsHeader, NamesTensorsInAnyOrderAndWhereTheyLie) {
  const auto tensors =
      tensors_in_header("{\"__metadata__\": {\"format\": \"pt\"}, " + entry("b", 8, 16) + ", " +
                            entry("empty", 8, 8, "[0, 3]") + ", " + entry("a", 0, 8, "[2, 2]", "F16") + ", " +
                            entry("scalar", 16, 24, "[]", "I64") + "}  ",
                        100, 24);
  ASSERT_EQ(tensors.size(), 4u);
  EXPECT_EQ(tensors.at("a").begin, 100);
  EXPECT_EQ(tensors.at("b").end, 116);
  EXPECT_EQ(tensors.at("a").shape, (std::vector<std::int64_t>{2, 2}));
  EXPECT_TRUE(tensors_in_header("{}", 100, 0).empty());
}

TEST(SafetensorsHeader, IsRefusedWithTensorsThatDoNotLieOneBehindTheOther) {
  const auto two = [](int begin, int end) {
    return "{" + entry("a", 0, 8) + ", " + entry("b", begin, end) + "}";
  };
  EXPECT_EQ(tensors_in_header(two(8, 16), 0, 16).size(), 2u);
  expect_header_refused(two(4, 12), 12, "\"b\" begins at byte 4 of the data");
  expect_header_refused(two(0, 8), 8, "begins at byte 0 of the data");
  expect_header_refused(two(12, 20), 20, "\"b\" begins at byte 12 of the data");
  expect_header_refused(two(8, 16), 15, "the bytes of \"b\" are not all in it");
  expect_header_refused(two(8, 16), 66, "50 bytes lie behind its last tensor");
  expect_header_refused(two(8, 4), 8, "\"b\" has other bytes than its shape and type take");
  expect_header_refused("{" + entry("a", 0, 8, "[3]") + "}", 8, "other bytes than its shape");
  expect_header_refused("{" + entry("a", 0, 8, "[4294967296, 4294967296, 4]") + "}", 8,
                        "larger than any file");
  expect_header_refused("{}", 8, "8 bytes lie behind");
}

TEST(SafetensorsHeader, IsRefusedWithANameOrAnEntryThatComesTwice) {
  expect_header_refused("{" + entry("a", 0, 8) + ", " + entry("a", 8, 16) + "}", 16, "it names \"a\" twice");
  expect_header_refused(R"({"a": {"dtype": "F32", "dtype": "F32", "shape": [2], "data_offsets": [0, 8]}})", 8,
                        "\"a\" has two entries \"dtype\"");
}

TEST(SafetensorsHeader, IsRefusedWithNumbersThatAreNoPlaces) {
  const auto with = [](const std::string& shape, const std::string& offsets) {
    return R"({"a": {"dtype": "F32", "shape": )" + shape + R"(, "data_offsets": )" + offsets + "}}";
  };
  EXPECT_EQ(tensors_in_header(with("[2]", "[0, 8]"), 0, 8).size(), 1u);
  for (const char* number : {"0.5", "8.0", "8e0", "-8", "18446744073709551615", "99999999999999999999",
                             "\"8\"", "null", "true", "[8]", "{}"})
    expect_header_refused(with("[2]", "[0, "s + number + "]"), 8, "its header has ");
  expect_header_refused(with("[2]", "[0]"), 8, "has not two data_offsets");
  expect_header_refused(with("[2]", "[0, 8, 8]"), 8, "has not two data_offsets");
  expect_header_refused(with("2", "[0, 8]"), 8, "the number 2");
  std::string ones = "[1";
  for (int i = 0; i < 64; ++i) ones += ", 1";
  expect_header_refused(with(ones + "]", "[0, 4]"), 4, "the number 1");
}

TEST(SafetensorsHeader, IsRefusedWhereItIsSomethingElse) {
  for (const char* text : {"", "[]", "null", "1", "  {}"}) expect_header_refused(text, 0, "no JSON object");
  for (const char* text : {"{", "{}x", "{\"a\": ", "{\"\xff\": {}}"})
    expect_header_refused(text, 0, "no JSON from byte");
  expect_header_refused(R"({"a": 1})", 0, "the number 1");
  expect_header_refused(R"({"a": {"dtype": "F32", "shape": []}})", 0, "\"a\" lacks");
  expect_header_refused(R"({"a": {"b": 1}})", 0, "\"a\" has an unknown entry \"b\"");
  expect_header_refused("{" + entry("a", 0, 8, "[2]", "F33") + "}", 8, "\"a\" has the unknown type \"F33\"");
  expect_header_refused("{\"\\u001b[2J\\n\": 1}", 0, "in \"?[2J?\"");  // and never printed raw to a terminal
}

TEST(SafetensorsHeader, TakesNoMemoryForNests) {
  for (const auto& [open, close] : {std::pair{"["s, "]"s}, {"{\"a\":"s, "}"s}}) {
    std::string text = "{\"a\": ";
    for (int i = 0; i < 1000000; ++i) text += open;
    for (int i = 0; i < 1000000; ++i) text += close;
    expect_header_refused(text + "}", 0, "");
  }
}

TEST(Safetensors, AreRefusedWithAHeaderOfMoreThanTheFormatAllowsBeforeItIsRead) {
  const ScratchFolder folder;
  for (const std::uint64_t claimed : {std::uint64_t{300} << 20, std::uint64_t{40} << 30, ~std::uint64_t{0}}) {
    const auto path = folder.write("long", std::string(reinterpret_cast<const char*>(&claimed), 8) + "{");
    if (claimed < std::uint64_t{1} << 40) std::filesystem::resize_file(path, claimed + 8);  // sparse file
    expect_refused(
        ExitCode::io, [&] { tensors_in(path); },
        {path, claimed < std::uint64_t{1} << 40 ? "100000000 are the most" : "longer than the file"});
  }
}

TEST(Safetensors, AreNoFoldersAndNoPipes) {
  const ScratchFolder folder;
  expect_refused(ExitCode::io, [&] { tensors_in(folder.path()); }, {folder.path(), "it is a folder"});
}

struct ForeignFile {
  const char* name;
  std::string bytes;
  ExitCode code;
  std::vector<std::string> words;
};

std::string zip_of(const std::string& first) {
  std::string bytes = "PK\x03\x04" + std::string(26, '\0') + first + "something";
  bytes[26] = static_cast<char>(first.size());
  return bytes;
}

TEST(ForeignFiles, AreNamedByTheirFirstBytesWithTheLineThatConvertsThem) {
  const ForeignFile files[] = {
      {"m.pt", zip_of("archive/data.pkl"), ExitCode::config, {"PyTorch", "python3 -c", "/m.safetensors'"}},
      {"m.safetensors", zip_of("m/data.pkl"), ExitCode::config, {"PyTorch", "/m.converted.safetensors'"}},
      {"it's.pth",
       "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19."s,
       ExitCode::config,
       {"PyTorch", "it'\\''s.pth'"}},
      {"m.pkl", "\x80\x04\x95\x00\x00"s, ExitCode::config, {"pickle", "weights_only=True"}},
      {"j.pt", zip_of("j/data/0"), ExitCode::config, {"TorchScript", "torch.jit.load"}},
      {"a.zip", zip_of("readme.txt"), ExitCode::config, {"ZIP archive", "unzip"}},
      {"m.safetensors.gz", "\x1f\x8b\x08\x00"s, ExitCode::config, {"gzip", "gzip -dc", "/m.safetensors'"}},
      {"m.zst", "\x28\xb5\x2f\xfd."s, ExitCode::config, {"zstd -dc"}},
      {"m.xz",
       "\xfd"
       "7zXZ\0."s,
       ExitCode::config,
       {"xz -dc"}},
      {"m.h5", "\x89HDF\r\n\x1a\n."s, ExitCode::config, {"HDF5"}},
      {"m.tar", std::string(257, 'x') + "ustar\0" + std::string(200, '\0'), ExitCode::config, {"tar -xf"}},
      {"model.safetensors.index.json", "{\n \"metadata\": {}}", ExitCode::config, {"JSON text"}},
      {"lfs",
       "version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 4\n",
       ExitCode::io,
       {"pointer of Git LFS", "lfs pull --include 'lfs'"}},
      {"page", "\xef\xbb\xbf\n<!DOCTYPE html><html>", ExitCode::io, {"web page", "/resolve/"}},
      {"html", "<html>not found</html>", ExitCode::io, {"web page"}},
      {"s3", "<?xml version=\"1.0\"?><Error>", ExitCode::io, {"web page"}}};
  const ScratchFolder folder;
  for (const auto& [name, bytes, code, words] : files) {
    const auto path = folder.write(name, bytes);
    expect_refused(code, [&] { refuse_foreign_file(path); },
                   {path.substr(0, path.find('\'')), words[0], words.back()});
  }
}

TEST(ForeignFiles, AreNoSafetensorsFilesAndNothingUnknown) {
  const ScratchFolder folder;
  // Header lengths that look like the beginnings of other file formats.
  for (const auto& begin :
       {"\x80\x02\0\0\0\0\0\0{"s, "\x1f\x8b\0\0\0\0\0\0{"s, "{\x01\0\0\0\0\0\0{"s, ""s, "abc"s})
    EXPECT_NO_THROW(refuse_foreign_file(folder.write("file", begin))) << begin;
  EXPECT_NO_THROW(refuse_foreign_file(folder.path()));
  EXPECT_NO_THROW(refuse_foreign_file(folder.path() + "/none"));
}

std::shared_ptr<Model> small_cnn() {
  Config::Model settings;
  settings.name = "small_cnn";
  auto model = make_model(settings, {1, 8, 8, 2});
  initialise(*model, 0);
  return model;
}

/// A file of small_cnn's tensors, under each of the prefixes, all ones except for what `change` modifies.
std::string file_of(
    const ScratchFolder& folder, const std::vector<std::string>& prefixes,
    const std::function<void(const std::string&, std::vector<float>&)>& change = [](auto&, auto&) {}) {
  const auto model = small_cnn();
  auto named = model->named_parameters();
  named.update(model->named_buffers());
  std::vector<TensorSpec> specs;
  for (const auto& prefix : prefixes) {
    for (const auto& item : named) specs.push_back({prefix + item.key(), "F32", item.value().sizes().vec()});
  }
  const SafetensorsFile file(folder.path() + "/weights.safetensors", specs);
  std::filesystem::remove(file.path());
  file.create();
  PartFile part(file.path(), PartFile::Mode::write);
  for (std::size_t i = 0; i < specs.size(); ++i) {
    std::vector<float> values(static_cast<std::size_t>(specs[i].bytes() / 4), 1.0F);
    change(specs[i].name, values);
    part.write(values.data(), specs[i].bytes(), file.offset(i));
  }
  return file.path();
}

TEST(Pretrained, IsRefusedWithTheNameOfATensorThatIsNotFinite) {
  const ScratchFolder folder;
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    const auto path = file_of(folder, {""}, [&](const std::string& name, std::vector<float>& values) {
      if (name == "conv2.weight") values.back() = bad;
    });
    expect_refused(ExitCode::config, [&] { load_pretrained(*small_cnn(), path); },
                   {"model.pretrained", path, "conv2.weight has values that are not finite"});
  }
}

TEST(Pretrained, IsRefusedWithAVarianceBelowZero) {
  const ScratchFolder folder;
  const auto path = file_of(folder, {""}, [&](const std::string& name, std::vector<float>& values) {
    if (name == "bn3.running_var") values[5] = -0.5F;
  });
  expect_refused(ExitCode::config, [&] { load_pretrained(*small_cnn(), path); },
                 {"bn3.running_var has values below 0 (element 5 is"});
}

TEST(Pretrained, IsTakenWithoutThePrefixesThatWrappersPutInFrontOfAllNames) {
  const ScratchFolder folder;
  for (const auto& prefix : {"module."s, "_orig_mod."s, "model."s, "module._orig_mod."s, ""s}) {
    const auto model = small_cnn();
    load_pretrained(*model, file_of(folder, {prefix}));
    EXPECT_EQ(model->named_parameters()["conv2.weight"].min().item<float>(), 1.0F) << prefix;
  }
}

TEST(Pretrained, IsRefusedWithTheLineThatKeepsThoseOfOnePrefixAmongOthers) {
  const ScratchFolder folder;
  const auto path = file_of(folder, {"model.", "model_ema."});
  expect_refused(
      ExitCode::config, [&] { load_pretrained(*small_cnn(), path); },
      {"is not of this model", "the prefix \"model.\"", "python3 -c", "weights.converted.safetensors"});
}

TEST(Pretrained, IsNotTakenForOneWithAPrefixWhereNothingFits) {
  const ScratchFolder folder;
  const auto path = folder.path() + "/other.safetensors";
  const SafetensorsFile file(path, {{"x.y\x1b", "F32", {2}}});
  file.create();
  expect_refused(ExitCode::config, [&] { load_pretrained(*small_cnn(), path); },
                 {"conv1.weight is missing", "model.name"});
}

}  // namespace
}  // namespace lockstep
