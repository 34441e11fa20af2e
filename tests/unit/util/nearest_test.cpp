// SPDX-License-Identifier: BSD-2-Clause
#include "util/nearest.h"

#include <gtest/gtest.h>

namespace tcpdwell {
namespace {

const std::vector<std::string> kStates = {"established", "syn-sent",  "syn-recv", "fin-wait1",
                                          "fin-wait2",   "time-wait", "close",    "close-wait",
                                          "last-ack",    "listen",    "closing"};

TEST(Nearest, OneSlip) {
  for (const char* typed :
       {"time-wiat", "timewait", "time-wai", "tine-wait", "TIME_WIAT", "time-wait"})
    EXPECT_EQ(nearest(typed, kStates), "time-wait") << typed;
  EXPECT_EQ(nearest("lisetn", kStates), "listen");
}

TEST(Nearest, ABeginning) {
  EXPECT_EQ(nearest("estab", kStates), "established");
  EXPECT_EQ(nearest("syn", kStates), std::nullopt) << "two begin so";
  EXPECT_EQ(nearest("es", kStates), std::nullopt) << "too short to tell";
}

TEST(Nearest, NothingNear) {
  for (const std::string& typed : {std::string(), std::string("bogus"), std::string("x"),
                                   std::string("waiting-for-godot"), std::string(5000, 'a')})
    EXPECT_EQ(nearest(typed, kStates), std::nullopt) << typed.substr(0, 20);
  EXPECT_EQ(nearest("close", {}), std::nullopt);
}

TEST(Nearest, AsWords) {
  EXPECT_EQ(did_you_mean("lsten", kStates), "; did you mean listen?");
  EXPECT_EQ(did_you_mean("bogus", kStates), "");
}

}  // namespace
}  // namespace tcpdwell
