// SPDX-License-Identifier: BSD-2-Clause
#include "enrich/containers.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "enrich/cgroups.h"
#include "enrich/json_scan.h"

namespace tcpdwell {
namespace {

const std::string kId = std::string(60, 'a') + "0123", kOther = std::string(64, 'b');
const std::string kUid = "0f5b3c1e-1d2a-4b3c-8d9e-123456789abc";

/// A host's files, in a directory of their own.
class Host : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "tcpdwell-host-XXXXXX";
    root_ = mkdtemp(pattern.data());
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void directory(const std::string& path) { std::filesystem::create_directories(root_ + path); }
  void file(const std::string& path, const std::string& text) {
    directory(std::filesystem::path(path).parent_path());
    std::ofstream(root_ + path) << text;
  }
  ContainerNames names() {
    return ContainerNames(root_, [this](const std::string& trouble) { told_.push_back(trouble); });
  }
  static CgroupName of(const std::string& container, const std::string& pod = "") {
    CgroupName name;
    name.path = "/x";
    name.container = container;
    name.pod = pod;
    return name;
  }
  std::string label(CgroupName name) {
    names().add_to(name);
    return name.label();
  }

  std::string root_;
  std::vector<std::string> told_;
};

TEST_F(Host, APodByItsDirectoryAndItsContainerByTheLink) {
  directory("/var/log/pods/shop_web-0_" + kUid + "/nginx");
  EXPECT_EQ(label(of("", kUid)), "shop/web-0");
  EXPECT_EQ(label(of(kId, kUid)), "shop/web-0/aaaaaaaaaaaa");
  directory("/var/log/containers");
  // The link leads nowhere: its name tells all.
  std::filesystem::create_symlink("/nowhere",
                                  root_ + "/var/log/containers/web-0_shop_nginx-" + kId + ".log");
  EXPECT_EQ(label(of(kId, kUid)), "shop/web-0/nginx");
  EXPECT_EQ(label(of(kId)), "shop/web-0/nginx");
  EXPECT_EQ(label(of(kOther)), "container:bbbbbbbbbbbb");
  EXPECT_TRUE(told_.empty());
}

TEST_F(Host, Docker) {
  file("/var/lib/docker/containers/" + kId + "/config.v2.json",
       R"({"State":{"Name":"no","a":["}",{"Name":"\""}]},"ID":"x","Name":"\/db","n":1})");
  EXPECT_EQ(label(of(kId)), "db");
}

TEST_F(Host, PodmanAndCrio) {
  const std::string folder = "/var/lib/containers/storage/overlay-containers/";
  file(folder + "containers.json", R"([{"id":")" + kId + R"(","names":["mail"],"layer":"z"}])");
  file(folder + "volatile-containers.json",
       R"([ {"id":")" + kOther + R"(", "names":["k8s_app_api-1_prod_)" + kUid + R"(_0"]} ])");
  EXPECT_EQ(label(of(kId)), "mail");
  EXPECT_EQ(label(of(kOther)), "prod/api-1/app");
}

TEST_F(Host, WhatIsKnownStaysWhenThePodIsGone) {
  directory("/var/log/pods/shop_web-0_" + kUid);
  ContainerNames kept = names();
  std::filesystem::remove_all(root_ + "/var/log/pods");
  CgroupName name = of("", kUid);
  kept.add_to(name);
  EXPECT_EQ(name.label(), "shop/web-0");
}

TEST_F(Host, HostileFilesNameNothing) {
  const std::string docker = "/var/lib/docker/containers/";
  for (const char* text : {"", "{", "{\"Name\"", "{\"Name\":", "{\"Name\":\"", "[]", "{\"Name\":7}",
                           "{\"Name\":{\"Name\":\"x\"}}", "]]]]}}}}", "\"\\"}) {
    file(docker + kId + "/config.v2.json", text);
    file("/var/lib/containers/storage/overlay-containers/containers.json", text);
    EXPECT_EQ(label(of(kId)), "container:aaaaaaaaaaaa") << text;
  }
  file(docker + kId + "/config.v2.json", R"({"Name":")" + std::string(254, 'x') + "\"}");
  EXPECT_EQ(label(of(kId)), "container:aaaaaaaaaaaa") << "a name that is too long";
  // Neither is waited for, and no link is followed.
  std::filesystem::remove(root_ + docker + kId + "/config.v2.json");
  ASSERT_EQ(mkfifo((root_ + docker + kId + "/config.v2.json").c_str(), 0600), 0);
  EXPECT_EQ(label(of(kId)), "container:aaaaaaaaaaaa");
  file("/secret", R"({"Name":"secret"})");
  std::filesystem::remove(root_ + docker + kId + "/config.v2.json");
  std::filesystem::create_symlink(root_ + "/secret", root_ + docker + kId + "/config.v2.json");
  EXPECT_EQ(label(of(kId)), "container:aaaaaaaaaaaa");
  directory("/var/log/pods/no-uid");
  directory("/var/log/pods/__" + kUid);
  EXPECT_EQ(label(of("", kUid)), "/x");
}

TEST_F(Host, WhatCannotBeReadIsSaidOnce) {
  if (geteuid() == 0) {
    // Root may read everything: a directory that is a loop of links to itself is no trouble either.
    EXPECT_EQ(label(of(kId)), "container:aaaaaaaaaaaa");
    EXPECT_TRUE(told_.empty()) << "what is not there is no trouble";
    if (setegid(65534) != 0 || seteuid(65534) != 0) GTEST_SKIP() << "cannot be another user";
  }
  struct Restored {
    ~Restored() { [[maybe_unused]] const int user = seteuid(0), group = setegid(0); }
  } restored;
  const ContainerNames none("/root/tcpdwell-none");
  const std::string root = testing::TempDir() + "tcpdwell-closed-" + std::to_string(getpid());
  std::filesystem::create_directories(root + "/var/log/pods");
  ASSERT_EQ(chmod((root + "/var/log/pods").c_str(), 0), 0);
  ContainerNames names(root, [this](const std::string& trouble) { told_.push_back(trouble); });
  ASSERT_EQ(told_.size(), 1U);
  EXPECT_NE(told_.front().find("/var/log/pods: Permission denied"), std::string::npos) << told_[0];
  chmod((root + "/var/log/pods").c_str(), 0700);
  std::filesystem::remove_all(root);
}

TEST(MachineName, OfScopesAndServices) {
  EXPECT_EQ(name_of_cgroup_path("/machine.slice/machine-build\\x2d1.scope").label(),
            "machine:build-1");
  EXPECT_EQ(name_of_cgroup_path("/machine.slice/systemd-nspawn@web.service").label(),
            "machine:web");
}

TEST(JsonScan, Strings) {
  EXPECT_EQ(json_string(R"("a\"b\\c\/d")"), "a\"b\\c/d");
  EXPECT_EQ(json_string(R"("\u00e4\n")"), "??");
  EXPECT_EQ(json_string(R"("\u0)"), "");
  EXPECT_EQ(json_string("7"), "");
}

}  // namespace
}  // namespace tcpdwell
