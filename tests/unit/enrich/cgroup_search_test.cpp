// SPDX-License-Identifier: BSD-2-Clause
#include "enrich/cgroup_search.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "enrich/host.h"
#include "unit/folder_for_tests.h"

namespace tcpdwell {
namespace {

using Paths = std::vector<std::string>;

const std::string kId = std::string(60, 'a') + "0123", kOther = std::string(60, 'a') + "4567";
const std::string kUid = "0f5b3c1e-1d2a-4b3c-8d9e-123456789abc";

const std::string kNginx = "system.slice/nginx.service", kUser = "user.slice/user-1000.slice",
                  kDocker = "system.slice/docker-" + kOther + ".scope",
                  kPod = "kubepods.slice/kubepods-pod0f5b3c1e_1d2a_4b3c_8d9e_123456789abc.slice",
                  kContainer = kPod + "/cri-containerd-" + kId + ".scope",
                  kInner = kContainer + "/nginx.service";

/// A host with a service, a container of docker and a pod whose container runs a service itself.
class Called : public testing::Test {
 protected:
  Called() {
    const std::string links = root_.file("var/log/containers");
    std::filesystem::create_directories(links);
    std::filesystem::create_directories(root_.file("var/log/pods/shop_web-0_" + kUid));
    std::filesystem::create_symlink("/nowhere", links + "/web-0_shop_front-" + kId + ".log");
  }
  Paths by(const std::string& word, const Paths& paths = kAll) {
    ContainerNames names(root_.path());
    return cgroups_called(word, paths, names);
  }
  static inline const Paths kAll = {"system.slice",   kNginx, kUser,     kDocker,
                                    "kubepods.slice", kPod,   kContainer};
  Folder root_;
};

TEST_F(Called, ByWhatAPersonWouldSay) {
  const struct {
    const char* word;
    Paths found;
  } kTable[] = {
      {"nginx.service", {kNginx}},
      {"nginx", {kNginx}},
      {"ngin", {}},
      {"system.slice", {"system.slice"}},
      {"system", {}},
      {"user-1000.slice", {kUser}},
      // Seven digits may be of a word; eight are enough where they are of one.
      {"aaaaaaa", {}},
      {"aaaaaaaa", {kDocker, kContainer}},
      {"container:aaaaaaaaaaaa", {kDocker, kContainer}},
      {"0f5b3c1e-1d2a-4b3c-8d9e-123456789abc", {kPod}},
      {"pod:0f5b3c1e-1d2a-4b3c-8d9e-123456789abc", {kPod}},
      // As the files of the host have it.
      {"shop/web-0/front", {kContainer}},
      {"front", {kContainer}},
      {"shop/web-0", {kPod}},
      {"web-0", {kPod}},
      {"shop", {}},
      {"web-1", {}},
      {"", {}},
      {"pod:", {}},
  };
  for (const auto& [word, found] : kTable) EXPECT_EQ(by(word), found) << word;
  EXPECT_EQ(by(kId), Paths{kContainer});
  EXPECT_EQ(by(kOther), Paths{kDocker});
}

TEST_F(Called, ADirectoryBelowAContainerIsNotTheContainer) {
  EXPECT_EQ(by("front", {kContainer, kInner}), Paths{kContainer});
  EXPECT_EQ(by("web-0", {kPod, kContainer, kInner}), Paths{kPod});
  EXPECT_EQ(by("nginx", {kNginx, kInner}), (Paths{kNginx, kInner})) << "both are called so";
}

TEST_F(Called, WithoutTheHostsFilesByThePathAlone) {
  ContainerNames none("/nonexistent");
  EXPECT_EQ(cgroups_called("front", kAll, none), Paths{});
  EXPECT_EQ(cgroups_called("nginx", kAll, none), Paths{kNginx});
}

/// Whatever this host has mounted, and however little of it this user may see.
TEST(FindCgroup, WhatIsNoneIsAnErrorThatNamesTheWord) {
  for (const std::string& word :
       {std::string("/tmp"), std::string("no-such-unit.service"), std::string("/no/such/path"),
        std::string("18446744073709551615")}) {
    const auto found = find_cgroup(word, "/nonexistent");
    ASSERT_FALSE(found) << word;
    EXPECT_EQ(found.error().fault, Fault::Usage) << word;
    EXPECT_TRUE(found.error().message.starts_with("--cgroup")) << found.error().message;
    if (!cgroup_mount().empty()) {
      EXPECT_NE(found.error().message.find(word), std::string::npos) << found.error().message;
    }
  }
}

TEST(FindCgroup, ThePlaceOfTheMountIsTheRootOfAll) {
  const auto root = find_cgroup(cgroup_mount().empty() ? "/" : cgroup_mount());
  ASSERT_EQ(static_cast<bool>(root), !cgroup_mount().empty());
  if (root) {
    EXPECT_EQ(root->level, 0U);
  }
}

}  // namespace
}  // namespace tcpdwell
