// SPDX-License-Identifier: BSD-2-Clause
#include "model/summary.h"

#include <gtest/gtest.h>

namespace tcpdwell {
namespace {

using Keys = std::vector<Key>;

Keys keys(std::string_view text) {
  const auto parsed = parse_keys(text);
  EXPECT_TRUE(parsed.ok()) << text;
  return parsed.ok() ? *parsed : Keys{};
}

TEST(ParseKeys, ReadsEveryName) {
  for (Key key : {Key::State, Key::Pid, Key::Comm, Key::LocalPort, Key::RemotePort, Key::Remote,
                  Key::Cgroup, Key::Netns, Key::End, Key::Path}) {
    EXPECT_EQ(keys(name_of(key)).front(), key) << name_of(key);
  }
}

TEST(ParseKeys, AddsTheStateLast) {
  EXPECT_EQ(keys("comm"), (Keys{Key::Comm, Key::State}));
  EXPECT_EQ(keys("remote,local-port"), (Keys{Key::Remote, Key::LocalPort, Key::State}));
}

TEST(ParseKeys, LeavesANamedStateWhereItIs) {
  EXPECT_EQ(keys("state"), Keys{Key::State});
  EXPECT_EQ(keys("state,pid"), (Keys{Key::State, Key::Pid}));
}

TEST(ParseKeys, WholeConnectionsHaveNoState) {
  EXPECT_EQ(keys("end"), Keys{Key::End});
  EXPECT_EQ(keys("comm,path"), (Keys{Key::Comm, Key::Path}));
}

TEST(ParseKeys, RejectsWhatIsNoKey) {
  for (const char* text :
       {"", "colour", "State", "pid,", ",pid", "pid,,comm", " pid", "pid;comm"}) {
    const auto parsed = parse_keys(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.error().fault, Fault::Usage);
  }
  const auto parsed = parse_keys("pid,colour\x1b");
  EXPECT_NE(parsed.error().message.find("'colour\\x1b' is nothing to group by"), std::string::npos)
      << parsed.error().message;
  EXPECT_NE(parsed.error().message.find("local-port"), std::string::npos) << "names what there is";
}

TEST(ParseKeys, RejectsAKeyNamedTwice) {
  const auto parsed = parse_keys("pid,comm,pid");
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(parsed.error().fault, Fault::Usage);
  EXPECT_EQ(parsed.error().message.rfind("'pid' is named twice", 0), 0U) << parsed.error().message;
}

TEST(Keys, NumbersAndWholeConnections) {
  EXPECT_TRUE(is_number(Key::Pid));
  EXPECT_TRUE(is_number(Key::Netns));
  EXPECT_FALSE(is_number(Key::Remote));
  EXPECT_FALSE(is_number(Key::State));
  EXPECT_TRUE(whole_connections({Key::Comm, Key::End}));
  EXPECT_FALSE(whole_connections({Key::Comm, Key::State}));
}

TEST(ParseOf, TakesTheirNames) {
  for (const Of of : {Of::State, Of::Life, Of::Accept}) {
    const auto parsed = parse_of(name_of(of));
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(*parsed, of);
  }
  EXPECT_EQ(parse_of("accpet").error().fault, Fault::Usage);
}

TEST(Row, CountsWhateverADwellIsWorth) {
  Row row;
  row.exact.add(5, 3);
  row.at_least = 2;
  row.unknown = 1;
  EXPECT_EQ(row.count(), 6U);
}

}  // namespace
}  // namespace tcpdwell
