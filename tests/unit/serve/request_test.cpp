// SPDX-License-Identifier: BSD-2-Clause
#include "serve/request.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace tcpdwell {
namespace {

using Query = std::map<std::string, std::string>;

TEST(Request, ThePathIsNeverEmpty) {
  EXPECT_EQ(request_of(nullptr, nullptr, nullptr).path, "/");
  EXPECT_EQ(request_of("", nullptr, nullptr).path, "/");
  EXPECT_EQ(request_of("/api/%73tuck", nullptr, nullptr).path, "/api/%73tuck") << "as it came";
}

TEST(Request, TheQueryIsDecoded) {
  const auto query_of = [](const char* text) { return request_of("/", text, nullptr).query; };
  EXPECT_EQ(query_of(nullptr), Query());
  EXPECT_EQ(query_of(""), Query());
  EXPECT_EQ(query_of("state=TIME_WAIT&comm=a%20b+c"),
            (Query{{"state", "TIME_WAIT"}, {"comm", "a b c"}}));
  EXPECT_EQ(query_of("pid=1&pid=2"), (Query{{"pid", "1"}})) << "of a name given twice the first";
  EXPECT_EQ(query_of("all="), (Query{{"all", ""}}));
  for (const char* none : {"pid", "=1", "pid=1&&", "pid=1&x"})
    EXPECT_EQ(query_of(none), Query()) << none;
}

TEST(Request, TheAcceptHeader) {
  EXPECT_EQ(request_of("/", nullptr, nullptr).accept, "");
  EXPECT_EQ(request_of("/", nullptr, "text/html").accept, "text/html");
}

TEST(Request, NamesOfThisHost) {
  for (const char* host : {"localhost", "localhost:9978", "127.0.0.1", "127.0.0.1:1",
                           "127.255.3.4:9978", "[::1]", "[::1]:9978"})
    EXPECT_TRUE(names_loopback(host)) << host;
  EXPECT_TRUE(names_loopback(nullptr)) << "HTTP/1.0 has no Host";
}

TEST(Request, NamesOfAnybody) {
  for (const char* host :
       {"", ":9978", "evil.example", "evil.example:9978", "localhost.evil.example",
        "127.0.0.1.evil.example", "127.evil.example", "128.0.0.1", "0.0.0.0", "0127.0.0.1",
        "2130706433", "127.1", "::1", "[::2]", "[::1].evil.example", "[::1]x", "localhost:1:2",
        " localhost", "localhost@evil.example"})
    EXPECT_FALSE(names_loopback(host)) << host;
}

}  // namespace
}  // namespace tcpdwell
