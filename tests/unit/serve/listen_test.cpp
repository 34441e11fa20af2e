// SPDX-License-Identifier: BSD-2-Clause
#include "serve/listen.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>

#include "unit/folder_for_tests.h"

namespace tcpdwell {
namespace {

TEST(Listen, WhatIsNoAddressIsSaidWithExamples) {
  for (const char* text : {"",
                           ":",
                           "9978",
                           "localhost",
                           "127.0.0.1",
                           "127.0.0.1:",
                           "127.0.0.1:x",
                           "127.0.0.1:65536",
                           "127.0.0.1:-1",
                           "127.0.0.1: 1",
                           "127.0.0.1:1 ",
                           "127.1:1",
                           "example.org:80",
                           "::1:9978",
                           "[::1]",
                           "[]:1",
                           "[127.0.0.1]:1",
                           "[::1:9978",
                           "[::1%lo]:9978",
                           "999.0.0.1:1"}) {
    const auto listening = listen_tcp(text);
    ASSERT_FALSE(listening.ok()) << text;
    EXPECT_EQ(listening.error().fault, Fault::Usage) << text;
    EXPECT_EQ(listening.error().message,
              "--listen " + std::string(text) +
                  ": expected an address and a port, as 127.0.0.1:9978, [::1]:9978 or :9978");
  }
}

TEST(Listen, ThePortThatWasFoundIsInTheName) {
  const auto listening = listen_tcp("localhost:0");
  ASSERT_TRUE(listening.ok()) << listening.error().message;
  EXPECT_TRUE(listening.value().name.starts_with("127.0.0.1:"));
  EXPECT_FALSE(listening.value().name.ends_with(":0"));
  EXPECT_TRUE(listening.value().loopback);
  const auto twice = listen_tcp(listening.value().name);
  ASSERT_FALSE(twice.ok());
  EXPECT_EQ(twice.error().fault, Fault::Runtime);
  EXPECT_EQ(twice.error().message, "cannot listen on " + listening.value().name +
                                       ": the port is in use; give another --listen");
  close(listening.value().fd);
}

std::string who_reaches(const char* text) {
  const auto listening = listen_tcp(text);
  if (!listening) return listening.error().message;
  close(listening.value().fd);
  return listening.value().loopback ? "this host" : "anybody";
}

TEST(Listen, OnlyThisHostReachesLoopback) {
  EXPECT_EQ(who_reaches("127.0.0.1:0"), "this host");
  EXPECT_EQ(who_reaches("127.9.9.9:0"), "this host");
  if (access("/proc/net/if_inet6", F_OK) != 0) return;
  EXPECT_EQ(who_reaches("[::1]:0"), "this host");
}

TEST(Listen, AnybodyReachesTheRest) {
  std::string any_v4, any_v6, any;
  bool alone = false;
  std::thread([&] {
    // Of this thread: nobody is to reach it while the test runs.
    alone = unshare(CLONE_NEWNET) == 0;
    if (!alone) return;
    any_v4 = who_reaches("0.0.0.0:0");
    any_v6 = who_reaches("[::]:0");
    any = who_reaches(":0");
  }).join();
  if (!alone) GTEST_SKIP() << "needs root: a network namespace of its own";
  EXPECT_EQ(any_v4, "anybody");
  if (access("/proc/net/if_inet6", F_OK) != 0) return;
  EXPECT_EQ(any_v6, "anybody");
  EXPECT_EQ(any, "anybody");
}

TEST(Listen, AUnixSocketIsItsOwnersAlone) {
  const Folder folder;
  const auto listening = listen_unix(folder.file("s"));
  ASSERT_TRUE(listening.ok()) << listening.error().message;
  EXPECT_EQ(listening.value().name, folder.file("s"));
  EXPECT_TRUE(listening.value().is_unix);
  struct stat about {};
  ASSERT_EQ(lstat(folder.file("s").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode, static_cast<mode_t>(S_IFSOCK | 0600));
  close(listening.value().fd);
}

TEST(Listen, AUnixSocketThatAnswersIsLeftAlone) {
  const Folder folder;
  const auto first = listen_unix(folder.file("s"));
  ASSERT_TRUE(first.ok());
  const auto second = listen_unix(folder.file("s"));
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().os_errno, EADDRINUSE);
  EXPECT_NE(second.error().message.find("another tcpdwell serve answers there"), std::string::npos);
  close(first.value().fd);  // its file stays, and nobody answers
  const auto third = listen_unix(folder.file("s"));
  ASSERT_TRUE(third.ok()) << third.error().message;
  close(third.value().fd);
}

TEST(Listen, AFileIsNotTaken) {
  const Folder folder;
  std::ofstream(folder.file("f")) << "precious";
  const auto listening = listen_unix(folder.file("f"));
  ASSERT_FALSE(listening.ok());
  EXPECT_EQ(listening.error().os_errno, EEXIST);
  EXPECT_EQ(std::filesystem::file_size(folder.file("f")), 8U);
}

TEST(Listen, APathThatIsTooLong) {
  const auto listening = listen_unix("/tmp/" + std::string(200, 'x'));
  ASSERT_FALSE(listening.ok());
  EXPECT_EQ(listening.error().fault, Fault::Usage);
  EXPECT_NE(listening.error().message.find("longer than 107 bytes"), std::string::npos);
}

}  // namespace
}  // namespace tcpdwell
