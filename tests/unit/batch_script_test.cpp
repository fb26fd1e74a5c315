// The batch scripts that `lockstep submit` writes.
#include "launcher/batch_script.hpp"

#include <gtest/gtest.h>

#include "common/error.hpp"
#include "tests/unit/refusal.hpp"

namespace lockstep {
namespace {

BatchJob batch_job() {
  BatchJob job;
  job.name = "mine";
  job.nodes = 4;
  job.gpus_per_node = 8;
  job.time = "2:00:00";
  job.command = {"/opt/lockstep", "train", "my run.toml"};
  job.output = "runs/mine";
  return job;
}

TEST(BatchScript, SetsUpInALoginShellAndEndsWhereALineFails) {
  auto job = batch_job();
  job.setup = {"module load cuda/13", ". /shared/{{name}}.sh"};
  for (const bool array : {false, true}) {
    if (array) job.seeds = {1, 2};
    const auto script = batch_script(job);
    EXPECT_TRUE(script.starts_with("#!/bin/bash -l\n")) << script;
    expect_in(script,
              "\nmodule load cuda/13\ntest $? = 0 || exit 1\n. /shared/{{name}}.sh\ntest $? = 0 || exit 1\n"
              "export LOCKSTEP_SIGNAL_SECONDS=");
  }
}

TEST(BatchScript, HasNoPlaceholderLeft) {
  auto job = batch_job();
  EXPECT_EQ(batch_script(job).find("{{"), std::string::npos);
  job.seeds = {1};
  EXPECT_EQ(batch_script(job).find("{{"), std::string::npos);
}

TEST(BatchScript, AsksForWhatWasAskedFor) {
  EXPECT_EQ(batch_script(batch_job()),
            "#!/bin/sh\n"
            "# Made by `lockstep submit`; slurm/README.md says what each line is for.\n"
            "#SBATCH --job-name=mine\n"
            "#SBATCH --nodes=4\n"
            "#SBATCH --ntasks-per-node=8\n"
            "#SBATCH --cpus-per-task=1\n"
            "#SBATCH --gpus-per-node=8\n"
            "#SBATCH --time=2:00:00\n"
            "#SBATCH --requeue\n"
            "#SBATCH --output=runs/mine-%j.log\n"
            "#SBATCH --open-mode=append\n"
            "#SBATCH --signal=B:USR1@120\n"
            "export LOCKSTEP_SIGNAL_SECONDS=120\n"
            "exec /opt/lockstep train 'my run.toml' --output runs/mine\n");
}

TEST(BatchScript, OfSeedsIsAnArrayWithAFolderForEach) {
  auto job = batch_job();
  job.seeds = {1, 2, 5};
  job.at_once = 2;
  const auto script = batch_script(job);
  expect_in(script, "#SBATCH --array=0-2%2\n");
  expect_in(script, "set -- 1 2 5\n");
  expect_in(script, "--set run.seed=\"$1\" --output runs/mine-seed-\"$1\"\n");
  expect_in(script, "--output=runs/mine-%A_%a.log\n");
}

TEST(BatchScript, WithoutGpusAndTasksTakesWholeNodes) {
  auto job = batch_job();
  job.gpus_per_node.reset();
  expect_in(batch_script(job), "#SBATCH --exclusive\n");
}

TEST(BatchScript, HandsOnFurtherOptionsAndQuotesBlanks) {
  auto job = batch_job();
  job.more = {"--constraint=h100", "--comment=two words"};
  job.requeue = false;
  const auto script = batch_script(job);
  expect_in(script, "#SBATCH --constraint=h100\n#SBATCH --comment=\"two words\"\n");
  expect_in(script, "#SBATCH --no-requeue\n");
}

TEST(BatchScript, PutsNothingIntoWhatItHasPutIn) {
  auto job = batch_job();
  job.name = "{{command}}";
  job.command = {"/opt/lockstep", "train", "{{output}}.toml"};
  job.output = "runs/$(touch pwned){{name}}";
  const auto script = batch_script(job);
  expect_in(script, "#SBATCH --job-name={{command}}\n");
  expect_in(script, "exec /opt/lockstep train '{{output}}.toml' --output 'runs/$(touch pwned){{name}}'\n");
}

TEST(BatchScript, QuotesWhatSbatchWouldReadOtherwise) {
  auto job = batch_job();
  job.name = R"(a"b\c)";
  job.account = "lab#3";
  job.partition = "it's";
  const auto script = batch_script(job);
  expect_in(script, R"(#SBATCH --job-name="a\"b\\c")"
                    "\n");
  expect_in(script, "#SBATCH --account=\"lab#3\"\n");
  expect_in(script, "#SBATCH --partition=\"it's\"\n");
}

TEST(BatchScript, RefusesLineBreaksInEveryText) {
  const std::string text = "mine\n#SBATCH --uid=0";
  const std::vector<std::function<void(BatchJob&)>> places = {
      [&](BatchJob& job) { job.name = text; },
      [&](BatchJob& job) { job.partition = text; },
      [&](BatchJob& job) { job.account = text; },
      [&](BatchJob& job) { job.time = "10\n"; },
      [&](BatchJob& job) { job.output = text; },
      [&](BatchJob& job) { job.setup = {text}; },
      [&](BatchJob& job) { job.more = {"--comment=" + text}; },
      [&](BatchJob& job) { job.command.push_back("run.name=\x1b[2J"); },
  };
  for (const auto& put : places) {
    auto job = batch_job();
    put(job);
    expect_in(refusal([&] { batch_script(job); }), "line break or another control character");
  }
}

TEST(BatchScript, LeavesTimeToTrainBeforeTheNotice) {
  auto job = batch_job();
  job.time = "4:00";
  expect_in(batch_script(job), "B:USR1@60\n");
  job.signal_seconds = 240;
  expect_in(refusal([&] { batch_script(job); }), "raise --time");
  job.time = "soon";
  expect_in(refusal([&] { batch_script(job); }), "--time soon");
}

TEST(TimesOfSlurm, AreMinutesOrCountedFromDays) {
  EXPECT_EQ(seconds_of_time("90"), 5400);
  EXPECT_EQ(seconds_of_time("90:30"), 5430);
  EXPECT_EQ(seconds_of_time("2:00:00"), 7200);
  EXPECT_EQ(seconds_of_time("1-12"), 36 * 3600);
  EXPECT_EQ(seconds_of_time("1-12:30:15"), 36 * 3600 + 1815);
  EXPECT_EQ(seconds_of_time("two hours"), std::nullopt);
}

}  // namespace
}  // namespace lockstep
