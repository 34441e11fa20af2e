// SPDX-License-Identifier: BSD-2-Clause
/// The verifier's effort stays far below its limit (1,000,000), on any kernel we try.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "support/collect.h"
#include "support/listing.h"
#include "support/netns.h"

namespace tcpdwell::test {
namespace {

TEST(Verifier, WalksFewInstructions) {
  TD_REQUIRE_KERNEL_TESTS();
  const auto tracer = start_tracer(Filter{});
  const auto walked = tracer->verified_instructions();
  if (!walked) GTEST_SKIP() << "this kernel does not tell (it is older than 5.16)";
  fmt::print("the verifier walked {} instructions\n", *walked);
  EXPECT_LT(*walked, 100'000U);
}

/// Each kind has other ways through the programs, with other needs of stack.
TEST(Verifier, TakesTracersOfEveryKind) {
  TD_REQUIRE_KERNEL_TESTS();
  const Netns netns;
  for (const Detail detail : {Detail::Counts, Detail::Connections, Detail::Transitions}) {
    for (const bool of_comm : {false, true}) {
      TracerOptions options;
      options.detail = detail;
      options.surveys = detail == Detail::Connections;
      options.minisockets = Minisockets::Auto;
      if (of_comm) options.filter.comms = {Comm("td-server")};
      EXPECT_NO_THROW(start_tracer(options));
    }
  }
  EXPECT_NO_THROW(list_sockets(netns));
}

}  // namespace
}  // namespace tcpdwell::test
