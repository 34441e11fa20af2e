// SPDX-License-Identifier: BSD-2-Clause
/// The main() of every kernel test. A test that fails is looked at with its Shadow: when the host
/// was hiding events of that very test, the failure says nothing about tcpdwell, and the program's
/// last line says so (scripts/test runs it again, scripts/test-summary counts it). Else it is a
/// failure. So is an end, in any test, that has no reason and is no plain close.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdio>

#include "support/end_reasons.h"
#include "support/shadow.h"

namespace tcpdwell::test {
namespace {

constexpr int kTemporaryFailure = 75;  // EX_TEMPFAIL of sysexits.h

class Witness : public testing::EmptyTestEventListener {
 public:
  bool every_failure_is_excused() const { return excused_ > 0 && failed_ == 0; }

 private:
  void OnTestProgramStart(const testing::UnitTest&) override { begin_shadow(); }
  void OnTestStart(const testing::TestInfo&) override { told_in_test(true); }
  void OnTestEnd(const testing::TestInfo& test) override {
    if (test.result()->Failed()) judge();
  }
  void OnTestProgramEnd(const testing::UnitTest&) override { end_shadow(); }
  void judge() {
    const auto hidden = hidden_in_test();
    ++(hidden.empty() ? failed_ : excused_);
    if (!hidden.empty()) fmt::print("host hid: {}\n", text_of(hidden));
  }
  int failed_ = 0, excused_ = 0;
};

}  // namespace
}  // namespace tcpdwell::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  auto* const witness = new tcpdwell::test::Witness;  // GoogleTest's from here on
  testing::UnitTest::GetInstance()->listeners().Append(witness);
  int status = RUN_ALL_TESTS();
  fmt::print("{}", tcpdwell::test::end_reasons().text());
  if (status == 0 && tcpdwell::test::end_reasons().unexplained() > 0) status = 1;
  if (status == 0 || !witness->every_failure_is_excused()) return status;
  fmt::print("RETRY: in each failed test the host hid events\n");
  return tcpdwell::test::kTemporaryFailure;
}
